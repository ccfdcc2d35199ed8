// A Consul client that is not ours, the npm package `consul`, against our HTTP API.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Consul from 'consul';
import { startEmbedded } from '../../../test/support/registry/builders.ts';

type Entry = { readonly Key: string; readonly Value: string };

test('the npm package consul reads, writes, watches and asks who leads', async (t) => {
  const { address } = await startEmbedded(t);
  const consul = new Consul({ host: address.host, port: address.port });
  assert.equal(await consul.kv.set('app/a', '1'), true);
  assert.equal(await consul.kv.set({ key: 'app/b', value: '2', flags: 7 }), true);
  // The package gives undefined for a refusal.
  assert.notEqual(await consul.kv.set({ key: 'app/a', value: 'x', cas: 0 }), true);
  assert.equal((await consul.kv.get('app/b'))?.Flags, 7);
  assert.equal(await consul.kv.get('nothing'), undefined);
  assert.deepEqual(await consul.kv.keys('app/'), ['app/a', 'app/b']);
  // Its types do not say that recurse gives a list.
  const all = (await consul.kv.get({ key: 'app/', recurse: true })) as unknown as Entry[];
  assert.deepEqual(
    all.map((entry) => [entry.Key, entry.Value]),
    [
      ['app/a', '1'],
      ['app/b', '2'],
    ],
  );
  assert.equal(await consul.status.leader(), `127.0.0.1:${address.port}`);
  assert.deepEqual(await consul.status.peers(), [`127.0.0.1:${address.port}`]);
  assert.equal((await consul.agent.self()).Config.Version, '1.8.7');

  const options = { key: 'app/', recurse: 'true' };
  const watch = consul.watch({ method: consul.kv.get, options });
  const counts: number[] = [];
  await new Promise<void>((resolve, reject) => {
    watch.on('error', reject);
    watch.on('change', (data: readonly unknown[]) => {
      counts.push(data.length);
      if (counts.length === 1) consul.kv.set('app/c', '3').catch(reject);
      if (counts.length === 2) consul.kv.del('app/b').catch(reject);
      if (counts.length === 3) resolve();
    });
  });
  watch.end();
  assert.deepEqual(counts, [2, 3, 2]);
  assert.equal(await consul.kv.del({ key: 'app/', recurse: true }), true);
  assert.equal(await consul.kv.get('app/a'), undefined);
});
