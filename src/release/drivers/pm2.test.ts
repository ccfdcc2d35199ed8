import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstOf } from '../../../test/support/release/builders.ts';
import { fakeService } from '../../../test/support/release/fakes.ts';
import { keptSuite } from '../../../test/support/release/kept-suite.ts';
import { driverOf } from '../drivers.ts';

keptSuite('pm2');

test('pm2: a process of the name that no release started is named, and left alone', async (t) => {
  const { service } = await fakeService(t, 'pm2');
  const first = firstOf(service);
  const other = driverOf(
    { ...service, name: 'app', instances: [] },
    {
      ...first,
      address: { ...first.address, host: '127.0.0.2' },
    },
  );
  await other.start(other.launchOf('v1'), 'r1');
  const ours = driverOf(service, first);
  assert.match(await ours.startProblem(ours.launchOf('v1')), /that no release started; pm2 delete/);
  assert.equal(await ours.find(null), null);
  await other.stop(null, { timeoutMs: 5000 });
});
