// What is acknowledged stays: kill -9 at any moment, a log cut at any byte, a full disk, a disk that
// fails. Real processes and real files.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../../test/support/base/random.ts';
import { ask, temporaryFolder } from '../../../test/support/registry/builders.ts';
import { fillDisk, smallDisk } from '../../../test/support/registry/small-disk.ts';
import { silentLog } from '../../base/log.ts';
import { serveConsulApi } from '../consul-server.ts';
import { openStore, type Store } from './store.ts';

const WRITER = fileURLToPath(new URL('../../../test/support/registry/writer.ts', import.meta.url));

type Writer = {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly errors: string[];
  /** Resolves when `done` holds for the lines so far. */
  readonly until: (done: (lines: readonly string[]) => boolean) => Promise<void>;
  readonly gone: Promise<unknown>;
};

function startWriter(t: TestContext, command: readonly string[]): Writer {
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, { stdio: 'pipe' });
  const lines: string[] = [];
  const errors: string[] = [];
  let arrived = (): void => {};
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    arrived();
  });
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  const gone = new Promise((resolve) => child.once('close', resolve)).then(() => arrived());
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const until = async (done: (lines: readonly string[]) => boolean): Promise<void> => {
    while (!done(lines)) {
      assert.equal(child.exitCode ?? child.signalCode, null, `writer ended:\n${errors.join('\n')}`);
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    }
  };
  return { child, lines, errors, until, gone };
}

function open(dataDir: string): Store {
  return openStore({ dataDir, log: silentLog });
}

/** The keys acknowledged and not deleted by the writer's own rule, with their index. */
function acknowledged(lines: readonly string[]): Map<string, number> {
  const acked = new Map<string, number>();
  for (const line of lines) {
    const [word, key, index] = line.split(' ');
    if (word === 'ack' && key !== undefined) acked.set(key, Number(index));
  }
  return acked;
}

function isKept(key: string): boolean {
  return Number(key.split('/')[2]) % 7 !== 3;
}

test('kill -9 loses no acknowledged write and the index never falls', async (t) => {
  const dataDir = temporaryFolder(t);
  const random = seededRandom(7);
  const all = new Map<string, number>();
  let highest = 0;
  for (let round = 0; round < 8; round++) {
    const writer = startWriter(t, [process.execPath, WRITER, dataDir, `round${round}`]);
    const count = 1 + Math.floor(random() * 400);
    await writer.until((lines) => lines.length > count);
    writer.child.kill('SIGKILL');
    await writer.gone;
    const opened = Number(writer.lines[0]?.split(' ')[1]);
    assert(opened >= highest, `opened at ${opened}, acknowledged was ${highest}`);
    for (const [key, index] of acknowledged(writer.lines)) {
      all.set(key, index);
      highest = Math.max(highest, index);
    }
  }
  const store = open(dataDir);
  t.after(() => store.close());
  assert(store.index >= highest);
  assert(all.size > 100);
  for (const [key, index] of all) {
    if (isKept(key)) assert.equal(store.read(key)?.modifyIndex, index, key);
  }
});

test('a log cut at any byte opens with a prefix of the writes', async (t) => {
  const folder = temporaryFolder(t);
  const source = join(folder, 'source');
  const store = open(source);
  for (let at = 0; at < 40; at++) await store.put(`k${at % 10}`, Buffer.from(`value ${at}`));
  // What the disk holds at this moment, as after a crash: the log is not yet merged.
  const main = readFileSync(join(source, 'registry.db'));
  const log = readFileSync(join(source, 'registry.db-wal'));
  store.close();
  const random = seededRandom(3);
  const offsets = new Set([0, 1, 31, 32, 33, log.length - 1, log.length]);
  for (let frame = 32; frame < log.length; frame += 4 * (24 + 4096))
    offsets.add(frame).add(frame + 24);
  while (offsets.size < 80) offsets.add(Math.floor(random() * log.length));
  let last = 0;
  for (const offset of [...offsets].sort((left, right) => left - right)) {
    const dataDir = join(folder, 'cut');
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'registry.db'), main);
    writeFileSync(join(dataDir, 'registry.db-wal'), log.subarray(0, offset));
    const cut = open(dataDir);
    const writes = cut.index - 1;
    assert(writes >= last, `at ${offset}: ${writes} writes after ${last}`);
    last = writes;
    const expected = new Map<string, string>();
    for (let at = 0; at < writes; at++) expected.set(`k${at % 10}`, `value ${at}`);
    assert.deepEqual(
      cut.list('').entries.map(({ key, value }) => [key, Buffer.from(value).toString()]),
      [...expected].sort(),
      `cut at ${offset} of ${log.length}`,
    );
    await cut.put('after', Buffer.from('x'));
    assert.equal(cut.read('after')?.modifyIndex, cut.index);
    cut.close();
    rmSync(dataDir, { recursive: true });
  }
  assert.equal(last, 40, 'the whole log holds all of it');
});

test('a full disk refuses writes aloud, keeps what was acknowledged, and recovers', async (t) => {
  const mount = smallDisk(t, '1m');
  if (mount === undefined) return;
  const dataDir = join(mount, 'data');
  const ballast = join(mount, 'ballast');
  const logged: string[] = [];
  const say = (_: unknown, message: string): void => {
    logged.push(message);
  };
  const log = { ...silentLog, error: say, info: say };
  const store = openStore({ dataDir, log });
  const api = await serveConsulApi({ store, host: '127.0.0.1', port: 0, log: silentLog });
  t.after(async () => {
    await api.close();
    store.close();
  });
  await store.put('before', Buffer.from('kept'));
  fillDisk(ballast);

  const value = 'x'.repeat(20_000);
  let stored = 0;
  let refused = await ask(api.address, 'PUT /v1/kv/full/0', { body: value });
  while (refused.status === 200) {
    stored++;
    refused = await ask(api.address, `PUT /v1/kv/full/${stored}`, { body: value });
  }
  assert.equal(refused.status, 507);
  assert.match(refused.body, /the disk is full, the write was refused .*free some space/);
  await assert.rejects(store.put('again', Buffer.alloc(20_000)), { code: 'storage_full' });
  assert.deepEqual(logged, ['registry cannot write'], 'said once');
  assert.equal(store.list('full/').entries.length, stored);
  assert.equal(store.read('again'), undefined);
  assert.equal((await ask(api.address, 'GET /v1/kv/before?raw')).body, 'kept', 'reads go on');
  const before = store.list('');

  rmSync(ballast);
  assert.equal((await ask(api.address, 'PUT /v1/kv/again', { body: value })).status, 200);
  assert.deepEqual(logged, ['registry cannot write', 'registry accepts writes again']);
  assert.equal(store.index, before.index + 1, 'refused writes took no index');
  await api.close();
  store.close();

  const reopened = openStore({ dataDir, log: silentLog });
  assert.equal(reopened.index, before.index + 1);
  assert.equal(reopened.list('').entries.length, before.entries.length + 1);
  reopened.close();
});

test('deleting works on a full disk, one by one and in one go, and makes room', async (t) => {
  const mount = smallDisk(t, '12m');
  if (mount === undefined) return;
  const dataDir = join(mount, 'data');
  const store = open(dataDir);
  t.after(() => store.close());
  const value = Buffer.alloc(700, 'x');
  let keys = 0;
  const put = (): Promise<boolean> => store.put(`many/${keys % 50}/${keys}`, value);
  for (; keys < 2_000; keys++) await put();
  fillDisk(join(mount, 'ballast'));
  // With what the log still has of room.
  await assert.rejects(
    async () => {
      for (; keys < 30_000; keys++) await put();
    },
    { code: 'storage_full' },
  );
  fillDisk(join(mount, 'more'));
  for (let at = 0; at < 500; at++) await store.delete(`many/${at % 50}/${at}`);
  assert.equal(await store.delete('many/', { recurse: true }), true);
  assert.deepEqual(store.list('').entries, []);
  await store.put('after', value);
  const { index } = store;
  store.close();
  const again = open(dataDir);
  t.after(() => again.close());
  assert.equal(again.index, index);
  assert.deepEqual(
    again.list('').entries.map(({ key }) => key),
    ['after'],
  );
});

test('a store opens on a disk without a byte left, and serves what it has', async (t) => {
  const mount = smallDisk(t, '1m');
  if (mount === undefined) return;
  const dataDir = join(mount, 'data');
  const first = openStore({ dataDir, log: silentLog });
  await first.put('before', Buffer.from('kept'));
  first.close();
  // It would find its own few bytes again.
  rmSync(join(dataDir, 'pid'));
  fillDisk(join(mount, 'ballast'));

  const store = openStore({ dataDir, log: silentLog });
  t.after(() => store.close());
  assert.equal(Buffer.from(store.read('before')?.value ?? []).toString(), 'kept');
  await assert.rejects(store.put('again', Buffer.alloc(20_000)), { code: 'storage_full' });
  rmSync(join(mount, 'ballast'));
  await store.put('again', Buffer.alloc(20_000));
  assert.throws(
    () => openStore({ dataDir: join(mount, 'data'), log: silentLog }),
    /in use by another process/,
    'one owner, also without the file that names it',
  );
});

test('a disk that fails refuses writes, loses nothing, and is used again when it is back', async (t) => {
  const dataDir = temporaryFolder(t);
  // A limit on the size of files makes every write beyond it fail with EFBIG: an I/O error.
  const limited = ['sh', '-c', 'ulimit -S -f 600; exec "$@"', 'sh'];
  const node = [process.execPath, WRITER, dataDir, 'limited', '3000'];
  const writer = startWriter(t, [...limited, ...node]);
  await writer.until((lines) => lines.some((line) => line.startsWith('refused')));
  assert.match(
    writer.lines.find((line) => line.startsWith('refused')) ?? '',
    /storage_(failed|full)/,
  );
  const lifted = spawnSync('prlimit', ['--pid', String(writer.child.pid), '--fsize=unlimited']);
  if (lifted.status === 0) {
    await writer.until((lines) => {
      const back = lines.indexOf('back');
      return back !== -1 && lines.length > back + 50;
    });
    assert(writer.errors.some((line) => line.includes('registry cannot write')));
  }
  writer.child.kill('SIGKILL');
  await writer.gone;
  const store = open(dataDir);
  t.after(() => store.close());
  for (const [key, index] of acknowledged(writer.lines)) {
    if (isKept(key)) assert.equal(store.read(key)?.modifyIndex, index, key);
  }
});
