import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploy, outcomes, scene, when } from '../../../test/support/release/builders.ts';
import { SluiceError } from '../../base/errors.ts';
import { Interrupts } from '../wait.ts';

test('interrupted before the stop: the server is put back, and the next run does the rest', async (t) => {
  const { service, control, a } = await scene(t);
  control.server(a).inFlight = 1;
  const interrupts = new Interrupts();
  const stop = when(a, 'drain', 'wait', () => interrupts.raise('SIGINT'));
  const deployed = await deploy(service, control, 'v2', { interrupts, ...stop });
  assert.equal(deployed.result.exit, 130);
  assert.deepEqual(outcomes(deployed), ['v1 in untouched', 'v1 in untouched']);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`]);
  assert.match(deployed.result.next.join(' '), /sluice deploy app --version v2$/);
  control.server(a).inFlight = 0;
  assert.equal((await deploy(service, control, 'v2')).result.outcome, 'succeeded');
});

test('interrupted after the stop: this instance is finished, the next one not begun', async (t) => {
  const { service, control, a } = await scene(t);
  const interrupts = new Interrupts();
  const stop = when(a, 'stop', 'start', () => interrupts.raise('SIGTERM'));
  const deployed = await deploy(service, control, 'v2', { interrupts, ...stop });
  assert.equal(deployed.result.exit, 143);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v1 in untouched']);
  const rest = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(rest), ['v2 in kept', 'v2 in released']);
});

test('a forced release that is interrupted names a command that does something', async (t) => {
  const { service, control, a } = await scene(t);
  const interrupts = new Interrupts();
  const stop = when(a, 'check', 'start', () => interrupts.raise('SIGINT'));
  const { result } = await deploy(service, control, 'v1', { force: true, interrupts, ...stop });
  assert.equal(result.exit, 130);
  const whole = 'begin again, with every instance: sluice deploy app --version v1 --force';
  assert.deepEqual(result.next, [whole]);
});

test('--force is named only when it matters, --allow-downtime always', async (t) => {
  const { service, control, a } = await scene(t);
  const interrupts = new Interrupts();
  const stop = when(a, 'check', 'start', () => interrupts.raise('SIGINT'));
  const options = { force: true, allowDowntime: true, interrupts, ...stop };
  const { result } = await deploy(service, control, 'v2', options);
  // A plain command finds out by itself which instances are at v2 by now.
  assert.match(result.next.join(), /finished .*: sluice deploy app --version v2 --allow-downtime$/);
});

test('interrupted twice: stops at once and says what it leaves, which the next run takes up', async (t) => {
  const { service, control, a } = await scene(t);
  const slow = { ...service, env: { ...service.env, LATE_MS: '60000' } };
  const interrupts = new Interrupts();
  const stop = when(a, 'check', 'start', () => {
    interrupts.raise('SIGINT');
    interrupts.raise('SIGINT');
  });
  const deployed = await deploy(slow, control, 'v2', { interrupts, ...stop });
  assert.equal(deployed.result.exit, 130);
  assert.deepEqual(outcomes(deployed), ['v2 out stuck', 'v1 in untouched']);
  assert.match(deployed.result.next.join(' '), /left half-way/);
  const rest = await deploy(service, control, 'v3');
  assert.deepEqual(outcomes(rest), ['v3 in released', 'v3 in released']);
  assert.equal(control.eligibleMin, 1);
});

/** A call that is under way when the release is interrupted, and is not answered. */
const UNANSWERED = [
  ['awaitIdle', 'drain', 'untouched', ['drain', 'ready']],
  // Nobody knows whether it was done: it is undone.
  ['setAdmin', 'guard', 'untouched', ['drain', 'ready']],
  ['setAdmin', 'admit', 'stuck', ['drain', 'ready']],
] as const;

for (const [name, step, outcome, changes] of UNANSWERED) {
  for (const code of ['timeout', 'unreachable', 'registry_unreachable'] as const) {
    test(`interrupted while ${step} is not answered (${code}): it ends as interrupted`, async (t) => {
      const { service, control, a } = await scene(t);
      const interrupts = new Interrupts();
      let isUnderWay = false;
      const begins = when(a, step, 'start', () => {
        isUnderWay = true;
      });
      const call: (...given: never[]) => Promise<unknown> = control[name].bind(control);
      const unanswered = async (...given: never[]): Promise<unknown> => {
        const answer = await call(...given);
        if (!isUnderWay) return answer;
        isUnderWay = false;
        interrupts.raise('SIGINT');
        throw new SluiceError(code, 'control plane: no answer');
      };
      Object.assign(control, { [name]: unanswered });
      const { result } = await deploy(service, control, 'v2', { interrupts, ...begins });
      assert.deepEqual(
        [result.outcome, result.exit, result.code],
        ['interrupted', 130, 'interrupted'],
      );
      assert.match(result.reason, /^interrupted; control plane: no answer/);
      assert.equal(result.instances[0]?.outcome, outcome);
      assert.deepEqual(
        control.calls,
        changes.map((change) => `${a} ${change}`),
      );
    });
  }
}

test('interrupted before the first step while nobody answers: it ends as interrupted', async (t) => {
  const { service, control } = await scene(t);
  const interrupts = new Interrupts();
  control.isAway = true;
  interrupts.raise('SIGTERM');
  const { result } = await deploy(service, control, 'v2', { interrupts });
  assert.deepEqual([result.outcome, result.exit, control.calls], ['interrupted', 143, []]);
});

test('a control plane that goes away after the stop leaves the rest alone', async (t) => {
  const { service, control, a } = await scene(t);
  const leave = when(a, 'check', 'done', () => {
    control.isAway = true;
  });
  const deployed = await deploy(service, control, 'v2', leave);
  assert.equal(deployed.result.exit, 9);
  assert.equal(deployed.result.instances[0]?.outcome, 'stuck');
  assert.equal(deployed.result.instances[0]?.pool, 'pool not known');
  control.isAway = false;
  const rest = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(rest), ['v2 in released', 'v2 in released']);
});

test('a control plane that is away for a moment is waited for', async (t) => {
  const { service, control, a } = await scene(t);
  const leave = when(a, 'stop', 'done', () => {
    control.isAway = true;
    setTimeout(() => {
      control.isAway = false;
    }, 300);
  });
  const deployed = await deploy(service, control, 'v2', { ...leave, controlRetryMs: 20_000 });
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
});
