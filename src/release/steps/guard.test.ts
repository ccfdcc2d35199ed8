// How long the guard waits: for others to come back, whatever its questions take, and not while nobody
// answers them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { deploy, heldBy, outcomes, scene, when } from '../../../test/support/release/builders.ts';
import { SluiceError } from '../../base/errors.ts';

test('the time that a refusal takes is a part of the wait', async (t) => {
  const { service, control, b } = await scene(t, { guardWaitMs: 1000 });
  control.server(b).state = heldBy('user:bob', 'maint');
  let asked = 0;
  const setAdmin = control.setAdmin.bind(control);
  control.setAdmin = async (...change) => {
    asked += 1;
    // As a gateway that waits for another one to say what it sees.
    await delay(600);
    return setAdmin(...change);
  };
  const { result } = await deploy(service, control, 'v2');
  assert.equal(result.exit, 5);
  // With the pauses alone it would have asked three times.
  assert(asked <= 2, `${asked} times`);
});

test('the time in which nobody answers is no part of the wait', async (t) => {
  const { service, control, a } = await scene(t, { guardWaitMs: 1000 });
  const setAdmin = control.setAdmin.bind(control);
  let [backMs, refusals] = [0, 0];
  control.setAdmin = async (...change) => {
    if (performance.now() < backMs) throw new SluiceError('unreachable', 'it restarts');
    // Back, it does not know the others yet.
    refusals += change[2].state === 'drain' ? 1 : 0;
    if (refusals === 1) throw new SluiceError('guard_refused', 'nobody else is known');
    return setAdmin(...change);
  };
  const leave = when(a, 'guard', 'start', () => {
    backMs = performance.now() + 1500;
  });
  const deployed = await deploy(service, control, 'v2', { ...leave, controlRetryMs: 20_000 });
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
});

test('a server that serves again when its turn comes is guarded, though it was down when it was planned', async (t) => {
  const { service, control, a, b } = await scene(t);
  control.server(b).forced = 'down';
  const turn = (event: { readonly type: string }): void => {
    if (event.type !== 'plan') return;
    control.server(b).forced = '';
    control.server(a).forced = 'down';
  };
  const deployed = await deploy(service, control, 'v2', { onEvent: turn });
  assert.equal(deployed.result.exit, 5, deployed.result.reason);
  assert.deepEqual(control.calls, [], 'no server was changed');
});
