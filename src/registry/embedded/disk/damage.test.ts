// What changed on the disk behind our back is found when the store opens, whatever it is: a bit, a
// file, the end of the log. Nothing is served that was not written, nothing vanishes without a word.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { seededRandom } from '../../../../test/support/base/random.ts';
import { temporaryFolder } from '../../../../test/support/registry/builders.ts';
import { smallDisk } from '../../../../test/support/registry/small-disk.ts';
import { isSluiceError } from '../../../base/errors.ts';
import { silentLog } from '../../../base/log.ts';
import { Entry, KV } from '../entry.ts';
import { repairStore, restoreStopped } from '../repair.ts';
import { openStore, type Store } from '../store.ts';
import { rowOf } from './rows.ts';

const FLIPS = 400;
const REMEDY = /restore a snapshot .* or keep what can still be read with "sluice registry repair"/;

function open(dataDir: string): Store {
  return openStore({ dataDir, log: silentLog });
}

/** Records of several sizes, some deleted again, tombstones, another family. */
async function fill(store: Store): Promise<void> {
  const random = seededRandom(11);
  const keys = Array.from({ length: 240 }, (_, at) => `upstreams/app${at % 9}/10.0.0.${at}:80`);
  for (const key of keys) {
    const bytes = Math.floor(random() ** 6 * 9_000);
    const value = random() < 0.8 ? Buffer.alloc(bytes, key) : Buffer.from([0xff, 0, bytes & 0xff]);
    await store.put(key, value, { flags: String(bytes) });
  }
  for (const key of keys.slice(0, 60)) await store.delete(key);
  await store.transact((writes) => writes.set('other', 'a', '{"text":"b"}'));
}

function contentOf(store: Store): unknown {
  const plain = (entries: ReturnType<Store['table']['records']['values']>): unknown =>
    entries.map(({ key, value, flags, createIndex, modifyIndex }) => [
      ...[key, Buffer.from(value).toString('base64'), flags, createIndex, modifyIndex],
    ]);
  const { records, tombstones, index, floor } = store.table;
  const other = plain(store.table.family('other').values(''));
  return [plain(records.values('')), other, tombstones.pairs(''), index, floor];
}

/** Opens copies of the folder with one bit of `file` turned, and says how often it was refused. */
function turnBits(options: {
  readonly source: string;
  readonly target: string;
  readonly file: string;
  readonly expected: unknown;
  readonly flips: number;
}): number {
  const { source, target, file, expected } = options;
  const random = seededRandom(5);
  const intact = readFileSync(join(source, file));
  let refused = 0;
  for (let flip = 0; flip < options.flips; flip++) {
    copyFolder(source, target);
    const bit = Math.floor(random() * intact.length * 8);
    const turned = Buffer.from(intact);
    turned.writeUInt8(turned.readUInt8(bit >>> 3) ^ (1 << (bit & 7)), bit >>> 3);
    writeFileSync(join(target, file), turned);
    let store: Store;
    try {
      store = open(target);
    } catch (error) {
      assert(isSluiceError(error) && error.code === 'data_dir_unusable', `bit ${bit}: ${error}`);
      refused++;
      continue;
    }
    try {
      assert.deepEqual(contentOf(store), expected, `bit ${bit} of ${file}`);
    } finally {
      store.close();
    }
  }
  return refused;
}

function copyFolder(source: string, target: string): void {
  mkdirSync(target, { recursive: true });
  for (const file of ['registry.db', 'registry.db-wal', 'last-index']) {
    if (existsSync(join(source, file))) copyFileSync(join(source, file), join(target, file));
    else rmSync(join(target, file), { force: true });
  }
}

test('a turned bit anywhere in the database is harmless or refused, never served', async (t) => {
  const folder = temporaryFolder(t);
  const source = join(folder, 'source');
  const store = open(source);
  await fill(store);
  const expected = contentOf(store);
  store.close();
  const target = join(folder, 'target');
  const options = { source, target, expected };
  const refused = turnBits({ ...options, file: 'registry.db', flips: FLIPS });
  assert(refused > FLIPS / 4, `${refused} of ${FLIPS} refused`);
  assert.equal(turnBits({ ...options, file: 'last-index', flips: 60 }), 0, 'the records are good');
});

test('a turned bit anywhere in the log is harmless or refused, never served', async (t) => {
  const folder = temporaryFolder(t);
  const source = join(folder, 'source');
  const store = open(source);
  t.after(() => store.close());
  await fill(store);
  const left = join(folder, 'left');
  copyFolder(source, left); // As a killed process leaves it.
  const expected = contentOf(store);
  const options = { source: left, target: join(folder, 'target'), expected };
  const refused = turnBits({ ...options, file: 'registry.db-wal', flips: FLIPS / 2 });
  assert(refused > FLIPS / 8, `${refused} refused`);
});

test('a damaged record is named, with what to do', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  await store.put('a/first', Buffer.from('good'));
  await store.put('b/second', Buffer.from('remarkable'));
  store.close();
  const path = join(dataDir, 'registry.db');
  const bytes = readFileSync(path);
  bytes.write('s', bytes.indexOf('remarkable') + 4);
  writeFileSync(path, bytes);
  assert.throws(
    () => open(dataDir),
    (error: Error) => {
      assert.match(error.message, /a record is damaged .*: "b\/second"; /);
      assert.match(error.message, REMEDY);
      return true;
    },
  );
});

test('what can still be read is kept by a repair, and the damaged files as well', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  for (let at = 0; at < 400; at++) await store.put(`key/${at}`, Buffer.alloc(300, `value ${at} `));
  store.close();
  assert.equal((await repairStore({ dataDir, log: silentLog })).folder, '', 'good: left alone');
  const path = join(dataDir, 'registry.db');
  const bytes = readFileSync(path);
  bytes.write('V', bytes.indexOf('value 77 '));
  // A page in the middle that cannot be read at all.
  bytes.fill(0xee, 20 * 4096, 21 * 4096);
  writeFileSync(path, bytes);
  assert.throws(() => open(dataDir), { message: REMEDY });
  const { folder, kept, damaged } = await repairStore({ dataDir, log: silentLog });
  assert(existsSync(join(folder, 'registry.db')));
  assert(kept > 350 && kept < 400, `${kept} kept`);
  assert.deepEqual(damaged, ['key/77']);
  const again = open(dataDir);
  t.after(() => again.close());
  assert.equal(again.list('').entries.length, kept);
  for (const { key, value } of again.list('').entries) {
    const expected = Buffer.alloc(300, `value ${key.slice(4)} `);
    assert.equal(Buffer.compare(Buffer.from(value), expected), 0, key);
  }
  assert(again.index > 401, 'the index does not fall');
});

test('a snapshot takes the place of a damaged store, and the index does not fall', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  await store.put('a', Buffer.from('1'));
  const snapshot = await buffer(store.save().stream);
  for (let at = 0; at < 9; at++) await store.put('a', Buffer.from(`later ${at}`));
  store.close();
  rmSync(join(dataDir, 'registry.db'));
  await assert.rejects(
    restoreStopped({ dataDir, log: silentLog }, Readable.from([Buffer.from('nonsense')])),
    { code: 'usage' },
  );
  assert.throws(() => open(dataDir), /is missing/, 'nothing was touched');
  await restoreStopped({ dataDir, log: silentLog }, Readable.from([snapshot]));
  const again = open(dataDir);
  t.after(() => again.close());
  assert.equal(Buffer.from(again.read('a')?.value ?? []).toString(), '1');
  assert(again.index > 11, `${again.index}`);
});

test('a row that is gone, doubled or older is noticed although all rows are good', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  await store.put('a', Buffer.from('1'));
  await store.put('b', Buffer.from('2'));
  store.close();
  const path = join(dataDir, 'registry.db');
  const intact = readFileSync(path);
  const change = (sql: string): void => {
    writeFileSync(path, intact);
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
  };
  change("DELETE FROM entry WHERE key = 'a'");
  assert.throws(() => open(dataDir), /2 records were written and 1 are there: some are lost/);
  const entry = { key: 'a', content: '1', flags: '0', createIndex: 9, modifyIndex: 9 };
  const row = rowOf(KV, new Entry(entry)).map((field) => `'${field}'`);
  change(`INSERT INTO entry VALUES (${row.join()})`);
  assert.throws(() => open(dataDir), /2 records were written and 3 are there: some are doubled/);
  change('DELETE FROM state');
  assert.throws(() => open(dataDir), /its counters are damaged/);
  change('UPDATE state SET last_index = 2');
  assert.throws(() => open(dataDir), /its counters are damaged/);
  change('PRAGMA user_version = 0');
  assert.throws(() => open(dataDir), /format 0 does not fit its tables/);
});

test('a database that is lost, emptied or cut beside an existing state is no empty start', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  for (let at = 0; at < 50; at++) await store.put(`k${at}`, Buffer.alloc(500, 'x'));
  store.close();
  const path = join(dataDir, 'registry.db');
  const intact = readFileSync(path);
  rmSync(path);
  assert.throws(
    () => open(dataDir),
    /registry.db is missing, but a registry was here \(last-index: 51\); put the file back/,
  );
  assert(!existsSync(path), 'nothing was created in its place');
  writeFileSync(path, '');
  assert.throws(() => open(dataDir), /registry.db is empty, but a registry was here/);
  for (const bytes of [100, 4096, 8192, intact.length - 4096, intact.length - 1]) {
    writeFileSync(path, intact.subarray(0, bytes));
    assert.throws(
      () => open(dataDir),
      { code: 'data_dir_unusable', message: REMEDY },
      `${bytes} bytes`,
    );
  }
  writeFileSync(path, intact);
  const again = open(dataDir);
  assert.equal(again.list('').entries.length, 50);
  again.close();
  rmSync(path);
  rmSync(join(dataDir, 'last-index'));
  const empty = open(dataDir);
  assert.equal(empty.index, 1, 'on purpose');
  empty.close();
});

test('a log without its database is not thrown away', async (t) => {
  const dataDir = temporaryFolder(t);
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, 'registry.db-wal'), 'something');
  assert.throws(() => open(dataDir), /its log registry.db-wal is here/);
  assert.equal(readFileSync(join(dataDir, 'registry.db-wal'), 'utf8'), 'something');
});

test('an older copy, or a log that lost its end, is told from what was acknowledged', async (t) => {
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  await store.put('a', Buffer.from('1'));
  store.close();
  const older = readFileSync(join(dataDir, 'registry.db'));
  const next = open(dataDir);
  await next.put('a', Buffer.from('2'));
  next.close();
  writeFileSync(join(dataDir, 'registry.db'), older);
  assert.throws(
    () => open(dataDir),
    /it ends at index 2, but writes up to index 3 were acknowledged/,
  );
});

test('a database of the first format is taken over once, with all that is in it', (t) => {
  const dataDir = temporaryFolder(t);
  const old = new DatabaseSync(join(dataDir, 'registry.db'));
  old.exec(`
    CREATE TABLE record (key TEXT PRIMARY KEY, value BLOB NOT NULL, flags TEXT NOT NULL,
      create_index INTEGER NOT NULL, modify_index INTEGER NOT NULL) STRICT;
    CREATE TABLE tombstone (key TEXT PRIMARY KEY, modify_index INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO record VALUES ('a', x'31', '7', 2, 3), ('b', x'ff00', '18446744073709551615', 4, 4);
    INSERT INTO tombstone VALUES ('gone', 5);
    INSERT INTO counter VALUES ('index', 5), ('floor', 0);
    PRAGMA user_version = 1;`);
  old.close();
  for (let round = 0; round < 2; round++) {
    const store = open(dataDir);
    assert.deepEqual(contentOf(store), [
      [
        ['a', 'MQ==', '7', 2, 3],
        ['b', '/wA=', '18446744073709551615', 4, 4],
      ],
      [],
      [['gone', 5]],
      5,
      0,
    ]);
    store.close();
  }
});

test('whoever may not write there is told so, and never to move the data away', async (t) => {
  if (process.getuid?.() !== 0) {
    t.skip('only root can become somebody else');
    return;
  }
  const dataDir = temporaryFolder(t);
  const store = open(dataDir);
  await store.put('a', Buffer.from('1'));
  store.close();
  const script = `
    process.setuid(65534);
    const { openStore } = await import('${import.meta.resolve('../store.ts')}');
    const { silentLog } = await import('${import.meta.resolve('../../../base/log.ts')}');
    try { openStore({ dataDir: ${JSON.stringify(dataDir)}, log: silentLog }); console.log('opened'); }
    catch (error) { console.log(error.message); }`;
  const said = (): string =>
    String(spawnSync(process.execPath, ['--input-type=module', '-e', script]).stdout);
  spawnSync('chmod', ['755', dataDir]);
  for (const mode of ['600', '644']) {
    spawnSync('chmod', [mode, join(dataDir, 'registry.db'), join(dataDir, 'last-index')]);
    const message = said();
    assert.match(message, /writable for this user \(uid 65534\)/, mode);
    assert.doesNotMatch(message, /move it away|start empty|snapshot|repair/);
  }
});

test('a read-only disk is called that', async (t) => {
  const mount = smallDisk(t, '16m');
  if (mount === undefined) return;
  const dataDir = join(mount, 'data');
  const store = open(dataDir);
  await store.put('a', Buffer.from('1'));
  store.close();
  spawnSync('mount', ['-o', 'remount,ro', mount]);
  assert.throws(
    () => open(dataDir),
    (error: Error) => {
      assert.match(error.message, /read-only/);
      assert.doesNotMatch(error.message, /move it away|start empty|snapshot|repair/);
      return true;
    },
  );
  spawnSync('mount', ['-o', 'remount,rw', mount]);
  const again = open(dataDir);
  assert.equal(Buffer.from(again.read('a')?.value ?? []).toString(), '1');
  again.close();
});
