import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePorts } from '../../../test/support/base/ports.ts';
import {
  deploy,
  FakeControl,
  firstOf,
  ids,
  outcomes,
} from '../../../test/support/release/builders.ts';
import { fakeService } from '../../../test/support/release/fakes.ts';
import { keptSuite } from '../../../test/support/release/kept-suite.ts';
import { driverOf } from '../drivers.ts';

keptSuite('docker');

test('docker: a container of the same name that is not ours is named, and left alone', async (t) => {
  const { service } = await fakeService(t, 'docker');
  const first = firstOf(service);
  const [docker = ''] = service.docker.command;
  const [port = 0] = await freePorts(1);
  const name = `sluice-app-127.0.0.1-${first.address.port}`;
  execFileSync(docker, ['run', '--detach', '--name', name, 'app:v1', String(port)]);
  const ours = driverOf(service, first);
  const launch = ours.launchOf('v1');
  assert.match(await ours.startProblem(launch), /that is not ours; rename it$/);
  await assert.rejects(ours.start(launch, 'r1'), { code: 'release_failed' });
  assert.equal(await ours.find(null), null);
  assert.equal((await ours.stop(null, { timeoutMs: 100 })).trouble, '');
  const left = execFileSync(docker, ['ps', '--quiet']).toString();
  assert.match(left, /^[0-9a-f]{64}$/m);
});

test('docker: a missing image is pulled before anything is stopped, or nothing is touched', async (t) => {
  const { folder, app, service: plain } = await fakeService(t, 'docker');
  const service = { ...plain, docker: { ...plain.docker, pull: 'missing' as const } };
  const control = new FakeControl(ids(service));
  assert.equal((await deploy(service, control, 'v1')).result.outcome, 'succeeded');
  control.calls.length = 0;
  const refused = await deploy(service, control, 'v3', { allowDowntime: true });
  assert.equal(refused.result.exit, 3);
  assert.match(refused.result.reason, /^docker pull app:v3: manifest for app:v3 not found/);
  assert.deepEqual(control.calls, []);
  await writeFile(
    join(folder, 'registry.json'),
    JSON.stringify({ 'app:v3': [process.execPath, app] }),
  );
  const pulled = await deploy(service, control, 'v3', { allowDowntime: true });
  assert.deepEqual(outcomes(pulled), ['v3 in released'], pulled.result.reason);
  assert.match(JSON.stringify(pulled.events), /the image app:v3 is pulled before/);
});
