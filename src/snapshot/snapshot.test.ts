// State files: what was written is read again, and what was not written by us is never believed.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isSluiceError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { Membership } from '../registry.ts';
import { lockStateDir, type Memory, type Override, openSnapshot } from '../snapshot.ts';
import { readStateFile, writeStateFileSync } from './file.ts';

const OVERRIDE: Override = {
  upstream: 'app',
  server: '127.0.0.1:9001',
  admin: { state: 'drain', owner: 'user:alice', reason: 'disk swap', sinceMs: 1000 },
};

const MEMBERSHIP: Membership = {
  index: 12,
  services: new Map([
    [
      'app',
      [
        {
          id: '127.0.0.1:9001',
          service: 'app',
          host: '127.0.0.1',
          port: 9001,
          weight: 3,
          maxFails: 2,
          failTimeoutMs: 10_000,
          down: false,
          backup: false,
        },
        {
          id: '127.0.0.1:9002',
          service: 'app',
          host: '127.0.0.1',
          port: 9002,
          weight: 1,
          maxFails: 2,
          failTimeoutMs: 10_000,
          down: false,
          backup: false,
          maxConns: 5,
        },
      ],
    ],
    ['empty', []],
  ]),
  problems: [{ service: 'app', server: '', key: 'upstreams/app/x', message: 'not an address' }],
  held: ['empty'],
};

const MEMORY: Memory = {
  generation: 7,
  memberships: new Map([
    ['default', MEMBERSHIP],
    ['east', { ...MEMBERSHIP, index: 3, held: ['app'] }],
  ]),
  verdicts: [
    {
      upstream: 'app',
      server: '127.0.0.1:9001',
      checks: 'up',
      riseCount: 4,
      fallCount: 0,
      reason: '200 in 4ms',
      atMs: 99,
    },
  ],
  names: [{ name: 'app.internal', addresses: ['10.0.0.1', '::1'] }],
  dataDirs: ['/var/lib/sluice/data'],
};

function temporaryDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-snapshot-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A log that keeps the messages of errors. */
function recordingLog(errors: string[]): Log {
  return { ...silentLog, error: (_fields, message) => void errors.push(message) };
}

test('what was saved is there after reopening', async (t) => {
  const stateDir = temporaryDir(t);
  const first = openSnapshot({ stateDir, log: silentLog });
  assert.deepEqual(first.overrides, []);
  assert.deepEqual(first.memory, {
    ...{ generation: 0, memberships: new Map(), verdicts: [], names: [] },
  });
  first.saveOverrides([OVERRIDE]);
  first.remember(() => MEMORY);
  first.saveGateway('web-1-7');
  await first.close();
  const second = openSnapshot({ stateDir, log: silentLog });
  assert.deepEqual([first.lastGateway, second.lastGateway], ['', 'web-1-7']);
  assert.deepEqual(second.overrides, [OVERRIDE]);
  assert.deepEqual(second.memory, MEMORY);
});

test('the last of several changes is what gets written', async (t) => {
  const stateDir = temporaryDir(t);
  const snapshot = openSnapshot({ stateDir, log: silentLog });
  for (let generation = 1; generation <= 5; generation += 1) {
    snapshot.remember(() => ({ ...MEMORY, generation }));
  }
  await snapshot.close();
  assert.equal(openSnapshot({ stateDir, log: silentLog }).memory.generation, 5);
});

test('a file cut at any byte is set aside, reported and never trusted', (t) => {
  const stateDir = temporaryDir(t);
  const path = join(stateDir, 'intent.json');
  writeStateFileSync(path, 1, { overrides: [OVERRIDE] });
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length; length += 1) {
    writeFileSync(path, whole.subarray(0, length));
    const errors: string[] = [];
    const snapshot = openSnapshot({ stateDir, log: recordingLog(errors) });
    assert.deepEqual(snapshot.overrides, [], `cut at ${length}`);
    assert.deepEqual(errors, ['state file not trusted'], `cut at ${length}`);
    assert.equal(existsSync(path), false);
    assert.deepEqual(readFileSync(`${path}.bad`), whole.subarray(0, length));
  }
  writeFileSync(path, whole);
  assert.deepEqual(openSnapshot({ stateDir, log: silentLog }).overrides, [OVERRIDE]);
});

test('a file with any bit flipped in its data is not trusted', (t) => {
  const stateDir = temporaryDir(t);
  const path = join(stateDir, 'intent.json');
  writeStateFileSync(path, 1, { overrides: [OVERRIDE] });
  const whole = readFileSync(path);
  const start = whole.indexOf('\n') + 1;
  for (let at = start; at < whole.length; at += 1) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    writeFileSync(path, flipped);
    assert.equal(readStateFile(path, 1).kind, 'bad', `byte ${at}`);
  }
});

test('data of the wrong shape is not trusted although its checksum is right', (t) => {
  const stateDir = temporaryDir(t);
  const path = join(stateDir, 'intent.json');
  for (const data of [null, [], {}, { overrides: [{ ...OVERRIDE, admin: { state: 'gone' } }] }]) {
    writeStateFileSync(path, 1, data);
    assert.deepEqual(openSnapshot({ stateDir, log: silentLog }).overrides, []);
    assert.equal(existsSync(path), false);
  }
});

for (const [what, names, isTrusted] of [
  ['no names, as an older version wrote it', undefined, true],
  ['names', [{ name: 'app', addresses: ['10.0.0.1'] }], true],
  ['an address that is none', [{ name: 'app', addresses: ['app'] }], false],
  ['addresses that are no list', [{ name: 'app', addresses: 'x' }], false],
  ['a name that is none', [{ name: 1, addresses: [] }], false],
] as const) {
  test(`a memory with ${what} is ${isTrusted ? '' : 'not '}trusted`, (t) => {
    const stateDir = temporaryDir(t);
    const path = join(stateDir, 'memory.json');
    writeStateFileSync(path, 1, { generation: 3, membership: null, verdicts: [], names });
    const { memory } = openSnapshot({ stateDir, log: silentLog });
    assert.equal(memory.generation, isTrusted ? 3 : 0);
    assert.deepEqual(memory.names, isTrusted ? (names ?? []) : []);
  });
}

test('a file from a newer program stops the start and stays where it is', (t) => {
  const stateDir = temporaryDir(t);
  const path = join(stateDir, 'memory.json');
  writeStateFileSync(path, 2, { whatever: true });
  const before = readFileSync(path);
  assert.throws(
    () => openSnapshot({ stateDir, log: silentLog }),
    (error) =>
      isSluiceError(error) &&
      error.code === 'data_dir_unusable' &&
      error.message.includes(path) &&
      error.message.includes('version 2'),
  );
  assert.deepEqual(readFileSync(path), before);
});

test('a full disk refuses the intent and keeps the old one', (t) => {
  const stateDir = temporaryDir(t);
  const snapshot = openSnapshot({ stateDir, log: silentLog });
  snapshot.saveOverrides([OVERRIDE]);
  // Every write to /dev/full fails with ENOSPC.
  symlinkSync('/dev/full', join(stateDir, 'intent.json.tmp'));
  assert.throws(
    () => snapshot.saveOverrides([]),
    (error) => isSluiceError(error) && error.code === 'storage_full',
  );
  assert.deepEqual(openSnapshot({ stateDir, log: silentLog }).overrides, [OVERRIDE]);
});

test('a full disk is said once and the memory is written when there is room again', async (t) => {
  const stateDir = temporaryDir(t);
  const errors: string[] = [];
  const snapshot = openSnapshot({ stateDir, log: recordingLog(errors) });
  symlinkSync('/dev/full', join(stateDir, 'memory.json.tmp'));
  snapshot.remember(() => MEMORY);
  await snapshot.close();
  assert.deepEqual(errors, ['snapshot not written']);
  rmSync(join(stateDir, 'memory.json.tmp'));
  snapshot.remember(() => MEMORY);
  await snapshot.close();
  assert.deepEqual(openSnapshot({ stateDir, log: silentLog }).memory, MEMORY);
  assert.equal(errors.length, 1);
});

test('a state_dir has one user at a time, and the message names it', (t) => {
  const stateDir = temporaryDir(t);
  const lock = lockStateDir(stateDir);
  assert.throws(
    () => lockStateDir(stateDir),
    (error) =>
      isSluiceError(error) &&
      error.code === 'locked' &&
      error.message.includes(`process ${process.pid}`),
  );
  lock.release();
  lockStateDir(stateDir).release();
});

test('a full disk does not keep a daemon from its state_dir', (t) => {
  const stateDir = temporaryDir(t);
  symlinkSync('/dev/full', join(stateDir, 'sluice.pid'));
  // Every write to /dev/full fails with ENOSPC.
  const lock = lockStateDir(stateDir);
  assert(!existsSync(join(stateDir, 'lock-journal')), 'the lock itself writes nothing');
  lock.release();
});

test('a state_dir that cannot be made is an error that names it', (t) => {
  const file = join(temporaryDir(t), 'file');
  writeFileSync(file, '');
  assert.throws(
    () => lockStateDir(join(file, 'state')),
    (error) => isSluiceError(error) && error.code === 'data_dir_unusable',
  );
});

test('an older version and this one read the membership of the usual registry from each other', async (t) => {
  const stateDir = temporaryDir(t);
  const snapshot = openSnapshot({ stateDir, log: silentLog });
  snapshot.remember(() => MEMORY);
  await snapshot.close();
  const path = join(stateDir, 'memory.json');
  const content = readStateFile(path, 1);
  assert(content.kind === 'good');
  const { memberships, ...old } = { memberships: null, ...Object(content.data) };
  assert.equal(old.membership.index, MEMBERSHIP.index);
  writeStateFileSync(path, 1, old);
  const { memory } = openSnapshot({ stateDir, log: silentLog });
  assert.deepEqual([...memory.memberships], [['default', MEMBERSHIP]]);
});
