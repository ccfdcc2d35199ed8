import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { deploy, outcomes, scene } from '../../test/support/release/builders.ts';
import { journalFolder } from './journal/files.ts';

test('an instance stays takeable when the journal of the release that parked it is gone', async (t) => {
  const { service, control, a } = await scene(t, { onFailure: 'park' });
  await deploy(service, control, 'broken');
  assert.equal(control.server(a).state.owner, 'release:r2');
  const refused = await deploy({ ...service, start: ['no-such-program'] }, control, 'v2');
  assert.equal(refused.result.exit, 3);
  // As after a hundred of those.
  await rm(join(journalFolder(service), 'r2.jsonl'));
  const fixed = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(fixed), ['v2 in released', 'v2 in released']);
});

test('a release that this service has not had yet is somebody else, and left alone', async (t) => {
  const { service, control, a } = await scene(t);
  const owner = 'release:r77';
  control.server(a).state = { state: 'maint', owner, reason: '', sinceMs: 0 };
  const deployed = await deploy({ ...service, guardWaitMs: 0 }, control, 'v2');
  assert.equal(outcomes(deployed)[0], 'v1 out skipped');
  assert.equal(control.server(a).state.owner, owner);
});
