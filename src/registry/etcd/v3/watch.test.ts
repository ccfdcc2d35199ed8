// A watch of a real etcd over connections that break: it goes on where it stopped, and reads anew what
// was compacted away or is other data than before.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  askEtcd,
  openEtcdClient,
  startEtcd,
} from '../../../../test/support/registry/etcd-cluster.ts';
import { startProxy } from '../../../../test/support/registry/etcd-proxy.ts';
import { Seen } from '../../../../test/support/registry/store-contract.ts';
import { isSluiceError } from '../../../base/errors.ts';

test('changes while the connection is cut arrive one after the other afterwards', async (t) => {
  const etcd = await startEtcd(t);
  const [address] = etcd?.addresses ?? [];
  if (address === undefined) return;
  const proxy = await startProxy(t, address);
  const writer = openEtcdClient(t, [address]);
  await writer.put('w/a', '0');
  await writer.put('w/b', '0');
  const store = openEtcdClient(t, [proxy.address]);
  const seen = new Seen();
  const changed: string[] = [];
  const watch = store.watch('w/', {
    onState: seen.onState,
    onRecords: ({ entries }) => {
      changed.push(entries.map(({ key }) => key).join());
      return false;
    },
  });
  t.after(() => watch.close());
  await seen.until('a=0 b=0');
  proxy.cut();
  await writer.put('w/b', '1');
  await writer.put('w/c', '1');
  await writer.delete('w/a');
  proxy.mend();
  await seen.until('b=1 c=1');
  await writer.put('w/b', '2');
  await seen.until('b=2 c=1');
  // The prefix was read once; what changed came as changes.
  assert.equal(changed.at(-1), 'w/b');
  assert(
    seen.states.every((state) => state !== ''),
    `never empty: ${seen.states}`,
  );
});

test('what was compacted away meanwhile is read anew', async (t) => {
  const etcd = await startEtcd(t);
  const [address] = etcd?.addresses ?? [];
  if (address === undefined) return;
  const proxy = await startProxy(t, address);
  const writer = openEtcdClient(t, [address]);
  await writer.put('w/a', '0');
  const store = openEtcdClient(t, [proxy.address]);
  const seen = new Seen();
  const watch = store.watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=0');
  proxy.cut();
  await writer.put('w/a', '1');
  await writer.put('w/b', '1');
  await writer.delete('w/a');
  const { index } = await writer.list('w/');
  assert.notEqual(
    await askEtcd(address, '/v3/kv/compaction', { revision: String(index), physical: true }),
    undefined,
  );
  proxy.mend();
  await seen.until('b=1');
  assert.deepEqual(seen.states, ['a=0', 'b=1']);
  await writer.put('w/b', '2');
  await seen.until('b=2');
});

test('a stream that died without a word is noticed by what it misses', async (t) => {
  const etcd = await startEtcd(t);
  const [address] = etcd?.addresses ?? [];
  if (address === undefined) return;
  const proxy = await startProxy(t, address);
  const writer = openEtcdClient(t, [address]);
  await writer.put('w/a', '0');
  const store = openEtcdClient(t, [proxy.address]);
  const seen = new Seen();
  const watch = store.watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=0');
  await writer.put('w/a', '1');
  await seen.until('a=1');
  // New connections work, so that every question is answered: only the stream is dead.
  proxy.silence();
  await writer.put('w/a', '2');
  await seen.until('a=2');
});

test('a registry that was emptied and began again is read anew, at its lower index', async (t) => {
  const etcd = await startEtcd(t);
  const [member] = etcd?.members ?? [];
  if (etcd === undefined || member === undefined) return;
  const writer = openEtcdClient(t, etcd.addresses);
  for (let at = 0; at < 5; at++) await writer.put('w/a', String(at));
  const seen = new Seen();
  const watch = openEtcdClient(t, etcd.addresses).watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=4');
  await member.kill();
  await member.wipe();
  member.start();
  await etcd.ready();
  await writer.put('w/a', 'new');
  await seen.until('a=new');
  const [before = 0, after = 0] = [seen.indexes[0], seen.indexes.at(-1)];
  assert(after < before, `${after} after ${before}`);
});

test('a list that is longer than a page is read whole, as of one revision', async (t) => {
  const etcd = await startEtcd(t);
  if (etcd === undefined) return;
  const store = openEtcdClient(t, etcd.addresses);
  const keys = Array.from({ length: 4_100 }, (_, at) => `w/${String(at).padStart(5, '0')}`);
  for (let at = 0; at < keys.length; at += 60) {
    const value = 'x'.repeat(1_000);
    await store.commit(keys.slice(at, at + 60).map((key) => ({ key, value })));
  }
  const { entries, index } = await store.list('w/');
  assert.deepEqual(
    entries.map(({ key }) => key),
    keys,
  );
  assert.equal(index, entries.at(-1)?.modifyIndex);
});

test('another program at the address is trouble, never an empty list', async (t) => {
  const pages: readonly (readonly [number, string])[] = [
    [200, '<html>'],
    [200, '{}'],
    [200, '[]'],
    [200, '{"kvs":[]}'],
    [404, 'not found'],
    [500, ''],
  ];
  for (const [status, body] of pages) {
    const server = createServer((_, response) => response.writeHead(status).end(body));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const bound = server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    const store = openEtcdClient(t, [{ host: '127.0.0.1', port }], { requestTimeoutMs: 300 });
    const states: unknown[] = [];
    const health: boolean[] = [];
    const watch = store.watch('w/', {
      onState: (state) => states.push(state),
      onHealth: ({ reachable }) => health.push(reachable),
    });
    const deadlineMs = performance.now() + 20_000;
    while (health.length === 0 && performance.now() < deadlineMs) await delay(20);
    assert.deepEqual([states, health], [[], [false]], `${status} ${body}`);
    await assert.rejects(store.get('w/a'), (error) => isSluiceError(error), `${status} ${body}`);
    await assert.rejects(store.list('w/'), (error) => isSluiceError(error), `${status} ${body}`);
    assert.equal(store.health().reachable, false, `${status} ${body}`);
    watch.close();
    store.close();
  }
});
