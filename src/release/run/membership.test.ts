// Instances that a release brings into the upstream, and those that it takes out because the list has them
// no more.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isRunning } from '../../../test/support/base/process-facts.ts';
import {
  buildService,
  deploy,
  FakeControl,
  ids,
  outcomes,
  pidOf,
  scene,
  versionOf,
  when,
} from '../../../test/support/release/builders.ts';
import { Interrupts, planRelease, survey } from '../../release.ts';
import { recordFile } from '../journal/files.ts';

test('an instance that the upstream does not have is registered, and admitted when it is well', async (t) => {
  const service = await buildService(t, 2);
  const [a = '', b = ''] = ids(service);
  const control = new FakeControl([a]);
  const deployed = await deploy(service, control, 'v1');
  assert.deepEqual(outcomes(deployed), ['v1 in released', 'v1 in released']);
  assert.deepEqual(
    control.calls.filter((call) => call.startsWith(b)),
    [`${b} register down`, `${b} drain`, `${b} register`, `${b} drain`, `${b} ready`],
  );
});

test('a new instance that fails is parked; before anything was started it is no server any more', async (t) => {
  const service = await buildService(t, 2);
  const [a = '', b = ''] = ids(service);
  const control = new FakeControl([a]);
  assert.equal(
    (await deploy({ ...service, instances: service.instances.slice(0, 1) }, control, 'v1')).result
      .exit,
    0,
  );
  const parked = await deploy(service, control, 'broken');
  assert.equal(parked.result.exit, 1);
  assert.equal(control.server(b).state.state, 'maint');
  control.servers.delete(b);
  const interrupts = new Interrupts();
  const stop = when(b, 'register', 'done', () => interrupts.raise('SIGTERM'));
  const early = await deploy(service, control, 'v1', { interrupts, ...stop });
  assert.equal(early.result.outcome, 'interrupted');
  assert.equal(control.servers.has(b), false);
  assert.equal(await versionOf(a), 'v1');
});

test('an instance that left the list is named by the plan, drained, stopped and removed, last of all', async (t) => {
  const { service, control, a, b } = await scene(t);
  const pid = await pidOf(service, b);
  const shorter = { ...service, instances: service.instances.slice(0, 1) };
  const found = await survey({ service: shorter, control, version: 'v2', self: '' });
  const plan = planRelease(shorter, found, { version: 'v2', force: false, allowDowntime: false });
  assert.deepEqual(
    plan.instances.map(({ instance, action, why }) => [instance, action, why]),
    [
      [a, 'release', ''],
      [b, 'retire', 'not in the list of instances any more'],
    ],
  );
  assert.deepEqual(
    plan.instances[1]?.steps.map(({ kind }) => kind),
    ['guard', 'drain', 'stop', 'deregister'],
  );
  const deployed = await deploy(shorter, control, 'v2');
  assert.equal(deployed.result.exit, 0, deployed.result.reason);
  assert.deepEqual(outcomes(deployed), ['v2 in released', '- out retired']);
  assert.equal(control.servers.has(b), false);
  assert.equal(await versionOf(b), '');
  assert.equal(existsSync(recordFile(service, b)), false);
  assert(pid !== undefined && !isRunning(pid));
  assert.equal(control.eligibleMin, 1);
  const again = await deploy(shorter, control, 'v2');
  assert.equal(again.result.outcome, 'unchanged');
});

test('an instance that left the list is retired also by a release to its own version', async (t) => {
  const { service, control, a, b } = await scene(t);
  const shorter = { ...service, instances: service.instances.slice(0, 1) };
  const { result } = await deploy(shorter, control, 'v1');
  // It ended a process: that is not nothing, and the result names it.
  assert.deepEqual(
    [result.outcome, ...result.instances.map(({ instance, outcome }) => [instance, outcome])],
    ['succeeded', [a, 'kept'], [b, 'retired']],
  );
  assert.equal(await versionOf(b), '');
  assert.equal(control.servers.has(b), false);
});

test('one that a person has taken out is not retired', async (t) => {
  const { service, control, b } = await scene(t);
  control.server(b).state = { state: 'maint', owner: 'user:bob', reason: '', sinceMs: 0 };
  const shorter = { ...service, instances: service.instances.slice(0, 1) };
  await deploy(shorter, control, 'v1');
  assert.equal(await versionOf(b), 'v1');
  assert.equal(control.servers.has(b), true);
});

test('one whose host is gone from the configuration ends the release before it begins', async (t) => {
  const { service, control, b } = await scene(t);
  const file = recordFile(service, b);
  const record = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...record, host: 'app-9' }));
  const shorter = { ...service, instances: service.instances.slice(0, 1) };
  const { result } = await deploy(shorter, control, 'v2');
  assert.equal(result.exit, 3);
  assert.match(
    result.reason,
    /its host "app-9" is not in hosts; keep the host until a release has retired/,
  );
  assert.deepEqual(control.calls, []);
});
