// What a release says that was rolled back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploy, heldBy, outcomes, scene, when } from '../../../test/support/release/builders.ts';

test('it is not rolled back where a person has let the version in: it says where it runs', async (t) => {
  const { service, control, a } = await scene(t, { onFailure: 'rollback', checkDeadlineMs: 300 });
  const deaf = { ...service, start: [process.execPath, '-e', 'setInterval(() => {}, 1e6)'] };
  const letIn = when(a, 'check', 'start', () => {
    control.server(a).state = heldBy('', 'ready');
  });
  const deployed = await deploy(deaf, control, 'v2', letIn);
  const { outcome, exit, code, reason } = deployed.result;
  assert.deepEqual([outcome, exit, code], ['failed', 1, 'release_failed'], reason);
  assert.match(reason, new RegExp(`; v2 still runs on ${a}$`));
  assert.deepEqual(outcomes(deployed), ['v2 out failed', 'v1 in untouched']);
});
