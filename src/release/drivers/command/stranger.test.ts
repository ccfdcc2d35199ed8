import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  buildService,
  deploy,
  FakeControl,
  firstOf,
  ids,
  pidOf,
  scene,
} from '../../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../../config.ts';
import { driverOf } from '../../drivers.ts';
import { readRecord } from '../../journal/instance-record.ts';

test('a fresh checkout is told whose process it is, and is never advised to end it', async (t) => {
  const { service, a } = await scene(t);
  const fresh = await buildService(t, 1, { instances: service.instances });
  const control = new FakeControl(ids(fresh));
  const { result } = await deploy(fresh, control, 'v2');
  const pid = await pidOf(service, a);
  assert.equal(result.exit, 3);
  assert.match(
    result.reason,
    new RegExp(
      `^instance ${a}: port \\d+ is held by pid ${pid} \\(.*\\), started by the releases in ${service.runDir}/app; `,
    ),
  );
  assert.match(result.reason, /it may serve requests: leave it; deploy from the checkout/);
  assert.doesNotMatch(JSON.stringify(result), /\bkill|end (that|the) process/i);
  assert.deepEqual(control.calls, []);
  const { process } = await recordOf(service);
  assert(
    process !== null &&
      (await driverOf(service, firstOf(service)).state(process.handle)).ended === '',
  );
});

/** Of the first instance. */
function recordOf(service: ServiceConfig): ReturnType<typeof readRecord> {
  const first = firstOf(service);
  return readRecord(service, first.id, driverOf(service, first));
}
