// A control plane that cannot be asked, or cannot write, while the new process is well: nothing is
// held against the version, nothing is killed, and the next deploy takes the instance up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  deploy,
  heldBy,
  outcomes,
  pidOf,
  type Scene,
  scene,
  when,
} from '../../../test/support/release/builders.ts';
import { SluiceError } from '../../base/errors.ts';

/** The next deploy admits the process that runs there, and does not start it again. */
async function assertTakenUp({ service, control, a }: Scene, version: string): Promise<void> {
  const pid = await pidOf(service, a);
  const rest = await deploy(service, control, version);
  assert.deepEqual(outcomes(rest), [`${version} in released`, `${version} in released`]);
  assert.equal(await pidOf(service, a), pid);
  assert.equal(control.eligibleMin, 1);
}

test('a control plane that goes away before the check leaves the new version running', async (t) => {
  const it = await scene(t);
  const leave = when(it.a, 'start', 'done', () => {
    it.control.isAway = true;
  });
  const { result, events } = await deploy(it.service, it.control, 'v2', leave);
  assert.equal(result.exit, 9, result.reason);
  assert(!events.some((event) => event.type === 'step' && event.revert));
  assert.equal(result.instances[0]?.version, 'v2');
  assert.equal(result.instances[0]?.outcome, 'stuck');
  assert.deepEqual(result.next, [
    `${it.a} runs v2, not admitted; the next deploy takes it up first`,
    'start the control plane again (sluice serve), then: sluice deploy app --version v2',
  ]);
  it.control.isAway = false;
  await assertTakenUp(it, 'v2');
});

test('what no gateway can be asked about is not stopped, and the release ends', async (t) => {
  const it = await scene(t);
  const pid = await pidOf(it.service, it.a);
  const leave = when(it.a, 'drain', 'done', () => {
    it.control.isAway = true;
  });
  const notes: string[] = [];
  const onEvent: typeof leave.onEvent = (event) => {
    leave.onEvent(event);
    if (event.type === 'note') notes.push(`${event.instance} ${event.text}`);
  };
  const { result, events } = await deploy(it.service, it.control, 'v2', {
    onEvent,
    controlRetryMs: 300,
  });
  assert.equal(result.exit, 9, result.reason);
  assert.equal(await pidOf(it.service, it.a), pid);
  assert(!events.some((event) => event.type === 'step' && event.step === 'stop'));
  assert.deepEqual(outcomes({ result, events }), ['v1 out stuck', 'v1 out untouched']);
  assert(notes.some((text) => text.startsWith(`${it.a} no gateway can be asked whether it is`)));
  it.control.isAway = false;
  const rest = await deploy(it.service, it.control, 'v2');
  assert.deepEqual(outcomes(rest), ['v2 in released', 'v2 in released']);
});

test('a server that a person took while no gateway could be asked is not stopped', async (t) => {
  const { service, control, a } = await scene(t);
  const pid = await pidOf(service, a);
  const leave = when(a, 'drain', 'done', () => {
    control.isAway = true;
  });
  const onEvent: typeof leave.onEvent = (event) => {
    leave.onEvent(event);
    if (event.type !== 'note' || !event.text.startsWith('no gateway can be asked')) return;
    control.server(a).state = heldBy('user:bob', 'ready');
    control.isAway = false;
  };
  const deployed = await deploy(service, control, 'v2', { onEvent, controlRetryMs: 20_000 });
  assert.match(outcomes(deployed)[0] ?? '', /^v1 in skipped$/);
  assert.equal(await pidOf(service, a), pid);
});

test("while the control plane is waited for, the check's deadline does not run", async (t) => {
  const { service, control, a } = await scene(t, { checkDeadlineMs: 5000 });
  let asked = 0;
  const silent = when(a, 'start', 'done', () => {
    const status = control.status.bind(control);
    const until = performance.now() + 6000;
    control.status = () => {
      asked += 1;
      if (performance.now() < until) throw new SluiceError('timeout', 'no answer');
      // Back, it needs a moment to look at the server itself.
      control.server(a).forced = performance.now() < until + 300 ? 'down' : '';
      return status();
    };
  });
  const deployed = await deploy(service, control, 'v2', { ...silent, controlRetryMs: 20_000 });
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  assert(asked > 2);
});

test('a process that dies while the control plane is waited for is noticed', async (t) => {
  const { service, control, a } = await scene(t);
  const die = when(a, 'check', 'start', () => {
    control.isAway = true;
    setTimeout(async () => {
      process.kill((await pidOf(service, a)) ?? 0, 'SIGKILL');
      control.isAway = false;
    }, 1000);
  });
  const deployed = await deploy(service, control, 'v2', { ...die, controlRetryMs: 20_000 });
  assert.match(deployed.result.reason, /^check failed: process was ended by SIGKILL after /);
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
});

test('a control plane that cannot write at admit leaves the new version running', async (t) => {
  const it = await scene(t);
  it.control.onChange = (_server, state) => {
    if (state === 'ready') throw new SluiceError('storage_full', 'intent.json: the disk is full');
  };
  const { result, events } = await deploy(it.service, it.control, 'v2');
  assert.equal(result.exit, 1);
  assert.equal(result.code, 'storage_full');
  assert(!events.some((event) => event.type === 'step' && event.revert));
  assert.deepEqual(outcomes({ result, events }), ['v2 out stuck', 'v1 in untouched']);
  assert.match(result.instances[0]?.pool ?? '', /^out of the pool: drain by release:r2/);
  assert.deepEqual(result.next, [
    `${it.a} runs v2, not admitted; the next deploy takes it up first`,
    'free some space (the reason names the file), then: sluice deploy app --version v2',
  ]);
  it.control.onChange = () => {};
  await assertTakenUp(it, 'v2');
});

test('an old version that was brought back and cannot be admitted is left running too', async (t) => {
  const it = await scene(t);
  it.control.onChange = (_server, state) => {
    if (state === 'ready') throw new SluiceError('storage_full', 'intent.json: the disk is full');
  };
  const deployed = await deploy(it.service, it.control, 'broken');
  assert.equal(deployed.result.exit, 1);
  assert.deepEqual(outcomes(deployed), ['v1 out stuck', 'v1 in untouched']);
  assert.match(
    deployed.result.reason,
    /; then v1 was not admitted: intent.json: the disk is full$/,
  );
  it.control.onChange = () => {};
  const pid = await pidOf(it.service, it.a);
  const rest = await deploy(it.service, it.control, 'v1');
  assert.deepEqual(outcomes(rest), ['v1 in released', 'v1 in kept']);
  assert.equal(await pidOf(it.service, it.a), pid);
});

test('a record that is deleted meanwhile ends the release soon, and the process stays', async (t) => {
  for (const [step, phase] of [
    ['check', 'start'],
    ['check', 'done'],
  ] as const) {
    const it = await scene(t);
    const { service, control, a } = it;
    const before = control.server(a);
    const remove = when(a, step, phase, () => void control.servers.delete(a));
    const { result, events } = await deploy(service, control, 'v2', remove);
    assert.equal(result.exit, 1);
    assert.equal(result.reason, 'its record is gone: upstream "app" has no such server any more');
    assert(result.ms < 10_000, 'the deadline of the check is 20 s');
    assert(!events.some((event) => event.type === 'step' && event.revert));
    assert.deepEqual(outcomes({ result, events }), ['v2 out stuck', 'v1 in untouched']);
    assert.deepEqual(result.next, [
      `${a} runs v2, not admitted; the next deploy takes it up first`,
      `${a} is in no pool; add it with: sluice kv put upstreams/app/${a} '{"weight":1}'`,
      'then: sluice deploy app --version v2; or take the instance out of services.app: its process runs on until you stop it',
    ]);
    control.servers.set(a, before);
    await assertTakenUp(it, 'v2');
  }
});

test('a record that is replaced by deleting and writing it is not gone', async (t) => {
  const { service, control, a } = await scene(t);
  const replace = when(a, 'check', 'start', () => {
    const before = control.server(a);
    control.servers.delete(a);
    setTimeout(() => control.servers.set(a, before), 700);
  });
  const deployed = await deploy(service, control, 'v2', replace);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
});
