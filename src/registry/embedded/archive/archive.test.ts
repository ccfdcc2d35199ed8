// Snapshots: saved from a running store, restored into another one or over what is there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { seededRandom } from '../../../../test/support/base/random.ts';
import { temporaryFolder } from '../../../../test/support/registry/builders.ts';
import { silentLog } from '../../../base/log.ts';
import { openStore, type Store } from '../store.ts';

function open(t: TestContext, dataDir = temporaryFolder(t)): Store {
  const store = openStore({ dataDir, log: silentLog });
  t.after(() => store.close());
  return store;
}

function saved(store: Store): Promise<Buffer> {
  return buffer(store.save().stream);
}

function from(bytes: Buffer): Readable {
  return Readable.from([bytes], { objectMode: false });
}

function contentOf(store: Store): unknown {
  return ['kv', 'other'].map((family) =>
    store.table
      .family(family)
      .values('')
      .map(({ key, value, flags, lockIndex, session, createIndex, modifyIndex }) => [
        ...[key, Buffer.from(value).toString('hex'), flags, lockIndex, session],
        ...[createIndex, modifyIndex],
      ]),
  );
}

async function fill(store: Store): Promise<void> {
  await store.put('text', Buffer.from('ä😀\0"'), { flags: '18446744073709551615' });
  await store.put('bytes', Buffer.from([0, 255, 10, 13]));
  await store.put('empty', Buffer.alloc(0));
  await store.put('large', Buffer.alloc(300_000, 'x'));
  await store.transact((writes) =>
    writes.put('locked', 'x', '1', { session: 'some', lockIndex: 3 }),
  );
  await store.transact((writes) => writes.set('other', 'a', '{"text":"b\\n"}'));
  for (let at = 0; at < 1_500; at++) void store.put(`many/${at}`, Buffer.from(`value ${at}`));
  await store.put('gone', Buffer.from('x'));
  await store.delete('gone');
}

test('a snapshot restored into a new store has every entry with its indexes', async (t) => {
  const store = open(t);
  await fill(store);
  const bytes = await saved(store);
  const dataDir = temporaryFolder(t);
  const other = open(t, dataDir);
  await other.restore(from(bytes));
  assert.deepEqual(contentOf(other), contentOf(store));
  assert.equal(other.index, store.index + 1, 'a new index, so that everybody looks again');
  other.close();
  assert.deepEqual(contentOf(open(t, dataDir)), contentOf(store), 'on the disk, too');
});

test('it holds one moment, while writes go on', async (t) => {
  const store = open(t);
  await fill(store);
  const expected = contentOf(store);
  const { index, stream } = store.save();
  assert.equal(index, store.index);
  const reading = buffer(stream);
  for (let at = 0; at < 1_500; at++) void store.put(`many/${at}`, Buffer.from('later'));
  await store.delete('', { recurse: true });
  const other = open(t);
  await other.restore(from(await reading));
  assert.deepEqual(contentOf(other), expected);
});

test('restored over other content no index falls and none means two things', async (t) => {
  const store = open(t);
  await store.put('same', Buffer.from('1'));
  await store.put('changed', Buffer.from('1'));
  await store.put('removed', Buffer.from('1'));
  const bytes = await saved(store);
  await store.put('changed', Buffer.from('2'));
  await store.delete('removed');
  await store.put('added', Buffer.from('2'));
  const before = store.index;
  const told: unknown[] = [];
  store.onChange((changes) => told.push(changes));
  const index = await store.restore(from(bytes));
  assert.equal(index, before + 1);
  assert.deepEqual(told, ['all']);
  const now = store
    .list('')
    .entries.map(({ key, value, modifyIndex }) => [
      ...[key, Buffer.from(value).toString(), modifyIndex],
    ]);
  assert.deepEqual(now, [
    ['changed', '1', index],
    ['removed', '1', index],
    ['same', '1', 2],
  ]);
  for (const prefix of ['added', 'sam', '']) assert.equal(store.list(prefix).index, index, prefix);
  await store.restore(from(bytes));
  assert.equal(store.read('changed')?.modifyIndex, index, 'what is the same stays');
});

test('what is damaged, cut or foreign is refused, and nothing changes', async (t) => {
  const store = open(t);
  await fill(store);
  const bytes = await saved(store);
  const plain = gunzipSync(bytes);
  const random = seededRandom(3);
  const other = open(t);
  await other.put('mine', Buffer.from('x'));
  const refused = (source: Buffer, why?: RegExp): Promise<void> =>
    assert.rejects(other.restore(from(source)), { code: 'usage', ...(why && { message: why }) });
  await refused(Buffer.from('hello'), /no snapshot/);
  await refused(gzipSync('hello'), /no snapshot/);
  await refused(gzipSync(Buffer.alloc(10_000, 'x')), /no snapshot/);
  for (let round = 0; round < 40; round++) {
    await refused(bytes.subarray(0, Math.floor(random() * bytes.length)));
    await refused(gzipSync(plain.subarray(0, Math.floor(random() * (plain.length - 2_000)))));
    // Behind the first file, which is for others, up to the sums.
    const turned = Buffer.from(plain);
    const state = plain.indexOf('{"sluice-registry"');
    const at = state + Math.floor(random() * (plain.indexOf('SHA256SUMS') - state - 1_024));
    turned.writeUInt8(turned.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
    await refused(gzipSync(turned));
  }
  assert.deepEqual(
    other.list('').entries.map(({ key }) => key),
    ['mine'],
  );
  assert.equal(other.index, 2);
});

test("the archive is one that tar and Consul's own tools can read", async (t) => {
  const store = open(t);
  await fill(store);
  const folder = temporaryFolder(t);
  const tar = spawnSync('tar', ['-xzf', '-', '-C', folder], { input: await saved(store) });
  assert.equal(tar.status, 0, String(tar.stderr));
  const check = spawnSync('sha256sum', ['-c', join(folder, 'SHA256SUMS')], { cwd: folder });
  assert.equal(check.status, 0, String(check.stderr));
});
