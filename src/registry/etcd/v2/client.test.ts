// What is special in the keys of the v2 API, with a real etcd: events that it forgot, a commit that is
// undone, and an etcd that does not offer them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEtcdClient, startEtcd } from '../../../../test/support/registry/etcd-cluster.ts';
import { startProxy } from '../../../../test/support/registry/etcd-proxy.ts';
import { Seen } from '../../../../test/support/registry/store-contract.ts';
import type { RecordStore } from '../../record-store.ts';

const V2 = { argv: ['--enable-v2'] };

test('more changes than etcd remembers while the connection is cut: the list is right afterwards', async (t) => {
  const etcd = await startEtcd(t, V2);
  const [address] = etcd?.addresses ?? [];
  if (address === undefined) return;
  const proxy = await startProxy(t, address);
  const writer = openEtcdClient(t, [address], { api: 'v2' });
  await writer.put('w/a', '0');
  const seen = new Seen();
  const watch = openEtcdClient(t, [proxy.address], { api: 'v2' }).watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=0');
  proxy.cut();
  // Its memory has 1,000 events.
  for (let at = 0; at < 1_100; at += 50) {
    const keys = Array.from({ length: 50 }, (_, more) => `other/${at + more}`);
    await Promise.all(keys.map((key) => writer.put(key, '1')));
  }
  await writer.put('w/a', '1');
  proxy.mend();
  await seen.until('a=1');
  await writer.put('w/a', '2');
  await seen.until('a=2');
  assert.deepEqual(seen.states, ['a=0', 'a=1', 'a=2']);
});

test('changes elsewhere that push the waited-for index out of the memory wake nobody', async (t) => {
  const etcd = await startEtcd(t, V2);
  if (etcd === undefined) return;
  const store = openEtcdClient(t, etcd.addresses, { api: 'v2' });
  await store.put('w/a', '0');
  const seen = new Seen();
  const watch = store.watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=0');
  await store.put('x/a', '1');
  await store.delete('w/', { recurse: true });
  await seen.until('');
  await store.put('w/deep/er', '1');
  await seen.until('deep/er=1');
  assert.deepEqual(seen.states, ['a=0', '', 'deep/er=1']);
});

test('a commit whose second write does not go is undone', async (t) => {
  const etcd = await startEtcd(t, V2);
  if (etcd === undefined) return;
  const store = openEtcdClient(t, etcd.addresses, { api: 'v2' });
  await store.put('w/a', '0');
  await store.put('w/b', '0');
  await store.put('folder/x', '0');
  const index = (await store.get('w/a'))?.modifyIndex ?? 0;
  await assert.rejects(
    store.commit([
      { key: 'w/a', value: '1', cas: index },
      { key: 'w/b', delete: true },
      { key: 'w/new', value: '1', cas: 0 },
      // A folder takes no value: etcd refuses it when the others are written.
      { key: 'folder', value: '1' },
    ]),
    { code: 'registry_refused' },
  );
  assert.equal(await textOf(store), 'a=0 b=0');
});

test('an etcd without the v2 API says how to switch it on', async (t) => {
  const etcd = await startEtcd(t);
  if (etcd === undefined) return;
  const store = openEtcdClient(t, etcd.addresses, { api: 'v2' });
  await assert.rejects(store.list('w/'), { code: 'registry_refused', message: /--enable-v2/ });
  const told: string[] = [];
  const watch = store.watch('w/', {
    onState: () => told.push('a state'),
    onHealth: ({ trouble }) => told.push(trouble),
  });
  t.after(() => watch.close());
  while (told.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.match(told[0] ?? '', /--enable-v2/);
});

async function textOf(store: RecordStore): Promise<string> {
  const { entries } = await store.list('w/');
  return entries.map(({ key, value }) => `${key.slice(2)}=${Buffer.from(value)}`).join(' ');
}
