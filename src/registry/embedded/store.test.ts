// The store without HTTP: index rules, groups, tombstones, reopening, one owner per directory.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../../test/support/registry/builders.ts';
import { silentLog } from '../../base/log.ts';
import { FIRST_INDEX } from './key-table.ts';
import { openStore, type Store } from './store.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

function open(dataDir: string): Store {
  return openStore({ dataDir, log: silentLog });
}

test('gives each change the next index and an identical write none', async (t) => {
  const store = open(temporaryFolder(t));
  t.after(() => store.close());
  await store.put('a', bytes('1'));
  await store.put('a', bytes('1'));
  assert.equal(store.index, 2);
  await store.put('a', bytes('1'), { flags: '7' });
  const { flags, createIndex, modifyIndex, value } = store.read('a') ?? {};
  assert.deepEqual([flags, createIndex, modifyIndex, value], ['7', 2, 3, bytes('1')]);
  await store.put('a', bytes('1'));
  assert.equal(store.read('a')?.flags, '0', 'flags not given are reset');
  await store.delete('absent');
  assert.equal(store.index, 4);
});

test('a write of a group sees those before it, and cas decides between them', async (t) => {
  const store = open(temporaryFolder(t));
  t.after(() => store.close());
  const all = await Promise.all([
    store.put('a', bytes('1'), { cas: 0 }),
    store.put('a', bytes('2'), { cas: 0 }),
    store.put('a', bytes('3'), { cas: 2 }),
    store.delete('a', { cas: 2 }),
    store.delete('a', { cas: 3 }),
    store.delete('a', { cas: 9 }),
    store.put('a', bytes('4'), { cas: 0 }),
  ]);
  assert.deepEqual(all, [true, false, true, false, true, true, true]);
  assert.equal(store.read('a')?.createIndex, 5);
});

test('a thousand writes of one turn are one commit', async (t) => {
  const store = open(temporaryFolder(t));
  t.after(() => store.close());
  let commits = 0;
  store.onChange(() => commits++);
  await Promise.all(Array.from({ length: 1000 }, (_, at) => store.put(`k${at}`, bytes(`${at}`))));
  assert.equal(commits, 1);
  assert.equal(store.index, FIRST_INDEX + 1000);
});

test('the index of a prefix rises when its keys vanish, also by a tree deleted above it', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  await store.put('up/a/1', bytes('x'));
  await store.put('up/a/2', bytes('x'));
  await store.put('up/b/1', bytes('x'));
  await store.put('else', bytes('x'));
  assert.equal(store.list('up/a/').index, 3);
  await store.delete('up/a/2');
  assert.equal(store.list('up/a/').index, 6);
  assert.equal(store.list('up/b/').index, 4);
  await store.delete('up/', { recurse: true });
  for (const prefix of ['up/', 'up/a/', 'up/b/', 'u']) {
    assert.equal(store.list(prefix).index, 7, prefix);
  }
  await store.put('else', bytes('y'));
  assert.equal(store.list('up/').index, 7);
  assert.equal(store.list('never').index, 8, 'never seen: the index of the whole store');
  store.close();

  const again = open(dataDir);
  t.after(() => again.close());
  assert.equal(again.index, 8);
  assert.equal(again.list('up/').index, 7, 'tombstones survive');
  assert.equal(again.list('else').index, 8);
});

test('no prefix index falls when old tombstones are dropped', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  await store.put('old/a', bytes('x'));
  await store.put('old/b', bytes('x'));
  await store.delete('old/b');
  const before = store.list('old/').index;
  const keys = Array.from({ length: 20_500 }, (_, at) => `many/${at}`);
  await Promise.all(keys.map((key) => store.put(key, bytes('x'))));
  await Promise.all(keys.map((key) => store.delete(key)));
  assert(store.table.tombstones.size <= 20_000, `${store.table.tombstones.size} tombstones`);
  assert(store.list('old/').index >= before);
  assert(store.list('many/').index === store.index);
  const state = [store.index, store.list('old/').index, store.table.tombstones.size];
  store.close();
  const again = open(dataDir);
  t.after(() => again.close());
  assert.deepEqual([again.index, again.list('old/').index, again.table.tombstones.size], state);
});

test('everything is there again after reopening', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  await store.put('ключ/😀', Buffer.from([0, 255, 10]), { flags: '18446744073709551615' });
  await store.put('empty', bytes(''));
  const state = store.list('');
  store.close();
  const again = open(dataDir);
  t.after(() => again.close());
  assert.deepEqual(
    again.list('').entries.map((entry) => ({ ...entry, value: Buffer.from(entry.value) })),
    state.entries.map((entry) => ({ ...entry, value: Buffer.from(entry.value) })),
  );
});

test('a second owner of the directory is told who the first is', (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  t.after(() => store.close());
  assert.throws(() => open(dataDir), {
    code: 'data_dir_unusable',
    message: new RegExp(`in use by process ${process.pid};`),
  });
  const script = `
    const { openStore } = await import('${import.meta.resolve('./store.ts')}');
    const { silentLog } = await import('${import.meta.resolve('../../base/log.ts')}');
    try { openStore({ dataDir: ${JSON.stringify(dataDir)}, log: silentLog }); }
    catch (error) { console.log(error.code, error.message); }`;
  const other = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.match(String(other.stdout), new RegExp(`^data_dir_unusable .*process ${process.pid};`));
  assert.equal(String(other.stderr), '', 'nothing experimental is announced');
});

test('a directory that cannot be used is a clear error', (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  assert.throws(() => open(join(folder, 'file/below')), { code: 'data_dir_unusable' });
  const damaged = join(folder, 'damaged');
  mkdirSync(damaged);
  writeFileSync(join(damaged, 'registry.db'), 'this is no database, however long it is'.repeat(99));
  assert.throws(() => open(damaged), { code: 'data_dir_unusable', message: /not a database/ });
  assert.match(readFileSync(join(damaged, 'registry.db'), 'utf8'), /^this is no/, 'left as it was');
});

test('refuses what is too large and what comes after closing', async (t) => {
  const store = open(temporaryFolder(t));
  await store.put('a', Buffer.alloc(512 * 1024));
  await assert.rejects(store.put('b', Buffer.alloc(512 * 1024 + 1)), { code: 'too_large' });
  await assert.rejects(store.put('k'.repeat(4097), bytes('x')), { code: 'too_large' });
  store.close();
  await assert.rejects(store.put('a', bytes('x')), { code: 'storage_failed' });
});
