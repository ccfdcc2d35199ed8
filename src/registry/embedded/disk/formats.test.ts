// The order of the rows on the disk: by creation in format 3, by key in format 2, which stays in use
// where it is. Both hold the same, whatever is done with it.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { temporaryFolder } from '../../../../test/support/registry/builders.ts';
import { silentLog } from '../../../base/log.ts';
import { openStore, type Store } from '../store.ts';
import { stateRow } from './rows.ts';
import { salvage } from './salvage.ts';

const PAGE_BYTES = 4096;

function open(dataDir: string): Store {
  return openStore({ dataDir, log: silentLog });
}

/** An empty database as format 2 had it. */
function createByKey(dataDir: string): void {
  const database = new DatabaseSync(join(dataDir, 'registry.db'));
  database.exec(`
    CREATE TABLE entry (
      family TEXT NOT NULL, key TEXT NOT NULL, value ANY NOT NULL, flags TEXT NOT NULL,
      create_index INTEGER NOT NULL, modify_index INTEGER NOT NULL,
      lock_index INTEGER NOT NULL, session TEXT NOT NULL, checksum INTEGER NOT NULL,
      PRIMARY KEY (family, key)) STRICT, WITHOUT ROWID;
    CREATE TABLE state (
      id INTEGER PRIMARY KEY, last_index INTEGER NOT NULL, floor INTEGER NOT NULL,
      entries INTEGER NOT NULL, sum INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;
    PRAGMA user_version = 2;`);
  const state = stateRow({ index: 1, floor: 0, entries: 0, sum: 0 });
  database.prepare('INSERT INTO state VALUES (?, ?, ?, ?, ?, ?)').run(...state);
  database.close();
}

function contentOf(store: Store): unknown {
  const { records, tombstones, index } = store.table;
  return [records.values(''), tombstones.pairs(''), index];
}

for (const format of [2, 3]) {
  const create = format === 2 ? createByKey : (): void => {};

  test(`format ${format} holds what was written, in the order of the keys`, async (t) => {
    const dataDir = temporaryFolder(t);
    create(dataDir);
    const store = open(dataDir);
    for (const key of ['c', 'a', 'gone', 'b', 'back']) await store.put(key, Buffer.from('1'));
    await store.put('b', Buffer.from('2'));
    await store.delete('gone');
    // In one group: one row goes and another comes, with another creation.
    await Promise.all([store.delete('back'), store.put('back', Buffer.from('3'))]);
    await store.put('gone', Buffer.from('4'));
    await store.delete('gone');
    const content = contentOf(store);
    store.close();
    const again = open(dataDir);
    assert.deepEqual(contentOf(again), content);
    const keys = again.list('').entries.map(({ key }) => key);
    assert.deepEqual(keys, ['a', 'b', 'back', 'c']);
    again.close();
    const database = new DatabaseSync(join(dataDir, 'registry.db'));
    const [version] = database.prepare('PRAGMA user_version').all();
    const [count] = database.prepare('SELECT count(*) AS rows FROM entry').all();
    database.close();
    assert.equal(version?.['user_version'], format, 'stays as it is');
    assert.equal(count?.['rows'], 6, 'four records, two tombstones');
  });

  test(`of format ${format} both sides of a page that cannot be read are kept`, async (t) => {
    const dataDir = temporaryFolder(t);
    create(dataDir);
    const store = open(dataDir);
    for (let at = 100; at < 500; at++) await store.put(`key/${at}`, Buffer.alloc(300, 'x'));
    store.close();
    const path = join(dataDir, 'registry.db');
    const bytes = readFileSync(path);
    bytes.fill(0xee, 20 * PAGE_BYTES, 21 * PAGE_BYTES);
    writeFileSync(path, bytes);
    const { rows } = salvage(dataDir);
    assert(rows.length > 350 && rows.length < 400, `${rows.length} kept`);
  });
}
