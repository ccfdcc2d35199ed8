import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { deploy, heldBy, outcomes, scene, when } from '../../test/support/release/builders.ts';
import { SluiceError } from '../base/errors.ts';
import { logFile } from './journal/files.ts';

test('a way back that fails: those in traffic are counted, and another version is advised', async (t) => {
  const { service, control, a, b } = await scene(t);
  // Neither version is admitted, nor can the server be parked: it is stuck, and the other one held.
  const blind = when(a, 'start', 'done', () => {
    control.server(a).forced = 'down';
    control.server(b).state = { state: 'maint', owner: 'user:bob', reason: '', sinceMs: 0 };
  });
  control.onChange = (_server, state) => {
    if (state === 'maint') throw new SluiceError('storage_full', 'intent.json: the disk is full');
  };
  const deployed = await deploy({ ...service, checkDeadlineMs: 300 }, control, 'v2', blind);
  assert.equal(deployed.result.exit, 7);
  assert.equal(deployed.result.instances[0]?.outcome, 'stuck');
  assert.deepEqual(deployed.result.next, [
    'act now: 0 of 2 instances take traffic',
    'deploy a version that works',
  ]);
});

test('a foreign process on the port is what is advised about, not the version', async (t) => {
  const { service, control, a } = await scene(t);
  const port = Number(a.split(':')[1]);
  const steal = when(a, 'stop', 'done', () => {
    const server = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
    t.after(() => server.close());
  });
  const deployed = await deploy(service, control, 'v2', steal);
  assert.equal(deployed.result.exit, 7);
  assert.equal(outcomes(deployed)[1], 'v1 in untouched');
  const next = deployed.result.next.join('\n');
  assert.match(next, /\nact now: 1 of 2 instances take traffic\n/);
  assert.match(
    next,
    new RegExp(
      `\nport ${port} is held by pid ${process.pid} \\(.*\\); it is not known as started by a release kept in .*, and it may serve requests: leave it; .*, then: sluice deploy app --version v2$`,
    ),
  );
});

test('a disk that takes no log is what is advised about, not the version', async (t) => {
  const { service, control, a } = await scene(t);
  const log = logFile(service, a);
  const spoil = when(a, 'stop', 'done', () => {
    rmSync(log);
    mkdirSync(log);
  });
  const { result } = await deploy(service, control, 'v2', spoil);
  assert.equal(result.exit, 7);
  assert.deepEqual(result.next.slice(1), [
    'act now: 1 of 2 instances take traffic',
    `${log}: cannot be written (EISDIR); see the run_dir of the service, then: sluice deploy app --version v2`,
  ]);
});

for (const [version, allowDowntime, code, again] of [
  ['v2', true, '', 'sluice deploy app --version v2 --allow-downtime'],
  ['v2', false, 'guard_refused', 'sluice deploy app --version v2'],
  ['broken', true, 'release_failed', 'deploy the version that works'],
] as const) {
  test(`a skipped instance is advised about at the end (${code || 'success'})`, async (t) => {
    const { service, control, a } = await scene(t);
    control.server(a).state = heldBy('user:bob', 'maint');
    const { result } = await deploy(service, control, version, { allowDowntime });
    assert.equal(result.code, code);
    assert.equal(
      result.next.at(-1),
      `${a} was left alone (in maint by user:bob); when it is free again: ${again}`,
    );
  });
}
