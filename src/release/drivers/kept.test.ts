// Drivers whose instances something else keeps, each with a fake of it that keeps real processes.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePorts } from '../../../test/support/base/ports.ts';
import {
  deploy,
  FakeControl,
  firstOf,
  ids,
  outcomes,
} from '../../../test/support/release/builders.ts';
import { type DriverCase, driverContract } from '../../../test/support/release/driver-contract.ts';
import { type FakeKind, fakeService } from '../../../test/support/release/fakes.ts';
import { shellHost } from '../../../test/support/release/shell-host.ts';
import { sharedSshHost } from '../../../test/support/release/ssh-hosts.ts';
import type { ServiceConfig } from '../../config.ts';
import { type Driver, driverOf } from '../drivers.ts';
import { type Host, localHost } from '../hosts.ts';

const KINDS: readonly FakeKind[] = ['systemd', 'docker', 'pm2'];
const behindSsh = sharedSshHost();

/** What each of them refuses to start. */
function broken(service: ServiceConfig): ServiceConfig {
  const { systemd, docker } = service;
  return {
    ...service,
    systemd: { ...systemd, unit: 'gone@{port}.service' },
    docker: { ...docker, image: 'none:{version}' },
    start: service.driver === 'pm2' ? ['/no/such/program'] : service.start,
  };
}

async function fakeCase(t: TestContext, kind: FakeKind, host: Host): Promise<DriverCase> {
  const { service } = await fakeService(t, kind);
  const first = firstOf(service);
  return {
    open: () => driverOf(service, first, host),
    port: first.address.port,
    good: driverOf(service, first, host).launchOf('v1'),
    broken: driverOf(broken(service), first, host).launchOf('v1'),
  };
}

for (const kind of KINDS) {
  driverContract(`${kind} on this machine`, (t) => fakeCase(t, kind, localHost));
  driverContract(`${kind} by shell scripts`, (t) => fakeCase(t, kind, shellHost('sh', '-s')));
}
// The same scripts over a real connection, which is slow: once.
driverContract('docker behind ssh', async (t) => {
  const host = await behindSsh(t);
  return host && fakeCase(t, 'docker', host);
});

async function answerOf(service: ServiceConfig): Promise<Record<string, string>> {
  const response = await fetch(`http://${firstOf(service).id}/`);
  return JSON.parse(await response.text());
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}

for (const kind of KINDS) {
  test(`${kind}: a release goes from version to version, with secrets that stand nowhere`, async (t) => {
    const { folder, service: plain } = await fakeService(t, kind);
    await writeFile(join(folder, 'secret'), 'hush "quoted" $HOME `x`\\n\nline 2\n');
    const secrets = { PASSWORD: `file:${folder}/secret` };
    const service = { ...plain, env: { PORT: '{port}' }, secrets };
    const control = new FakeControl(ids(service));
    const first = await deploy(service, control, 'v1');
    assert.deepEqual(outcomes(first), ['v1 in released'], first.result.reason);
    const { PASSWORD, PORT, SLUICE_VERSION, SLUICE_RELEASE } = await answerOf(service);
    assert.equal(PASSWORD, 'hush "quoted" $HOME `x`\\n\nline 2');
    assert.equal(PORT, String(firstOf(service).address.port));
    assert.deepEqual([SLUICE_VERSION, SLUICE_RELEASE], ['v1', 'r1']);
    const second = await deploy(service, control, 'v2', { allowDowntime: true });
    assert.deepEqual(outcomes(second), ['v2 in released'], second.result.reason);
    const again = await deploy(service, control, 'v2');
    assert.deepEqual(outcomes(again), ['v2 in kept']);
    assert.doesNotMatch(JSON.stringify([first, second, again]), /hush/);
  });

  test(`${kind}: one that ends and is started again is another run`, async (t) => {
    const { service } = await fakeService(t, kind);
    const driver = driverOf(service, firstOf(service));
    const started = await driver.start(driver.launchOf('v1'), 'r1');
    await until(async () => /listens/.test((await driver.logs(started.handle)).join('\n')));
    const { pid } = await driver.state(started.handle);
    process.kill(pid, 'SIGKILL');
    await until(async () => (await driver.state(started.handle)).ended !== '');
    await until(async () => ((await driver.find(started))?.handle ?? null) !== null);
    let found = await driver.find(started);
    await until(async () => {
      found = await driver.find(started);
      return found !== null && (await driver.state(found.handle)).ended === '';
    });
    assert.notDeepEqual(found?.handle, started.handle);
    assert.deepEqual(found?.launch, started.launch);
    assert.notEqual((await driver.state(started.handle)).ended, '');
  });

  test(`${kind}: one that ignores the signal is killed when its time is over`, async (t) => {
    const { folder, app, service: plain } = await fakeService(t, kind);
    const command = [process.execPath, app, '{port}', 'stubborn'];
    const start = { systemd: [], docker: ['{port}', 'stubborn'], pm2: command }[kind];
    const service: ServiceConfig = { ...plain, start, stopTimeoutMs: 300 };
    if (kind === 'systemd') {
      const unit = join(folder, 'app@.service');
      await writeFile(unit, (await readFile(unit, 'utf8')).replace('%i\n', '%i stubborn\n'));
    }
    const driver = driverOf(service, firstOf(service));
    const { handle } = await driver.start(driver.launchOf('v1'), 'r1');
    await until(async () => /listens/.test((await driver.logs(handle)).join('\n')));
    const { facts, trouble } = await driver.stop(handle, { timeoutMs: 300 });
    assert.equal(trouble, '');
    assert(kind === 'pm2' || facts['signal'] === 'KILL', JSON.stringify(facts));
  });

  test(`${kind}: a version that ends at once is said so, and the old one comes back`, async (t) => {
    const { folder, app, service } = await fakeService(t, kind);
    const control = new FakeControl(ids(service));
    assert.equal((await deploy(service, control, 'v1')).result.outcome, 'succeeded');
    const text = await readFile(app, 'utf8');
    await writeFile(app, text.replace("way === 'crash'", "version === 'v2'"));
    const failed = await deploy(service, control, 'v2', { allowDowntime: true });
    assert.deepEqual(outcomes(failed), ['v1 in reverted'], failed.result.reason);
    assert.match(failed.result.reason, /^check failed: process (exited|ended)/);
    assert.notEqual(folder, '');
  });
}

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

test('systemd: what the unit lacks is said before a release', async (t) => {
  const { folder, service } = await fakeService(t, 'systemd');
  const driver = driverOf(service, firstOf(service));
  const launch = driver.launchOf('v1');
  const unit = join(folder, 'app@.service');
  const text = await readFile(unit, 'utf8');
  assert.deepEqual(await warningsOf(driver), []);
  await writeFile(unit, text.replace('Restart=on-failure', 'Fake-State=disabled'));
  const warnings = await warningsOf(driver);
  assert.match(warnings[0] ?? '', /is not started again when it ends: write Restart=on-failure/);
  assert.match(warnings[1] ?? '', /is not started with the machine: systemctl enable app@\d+/);
  await writeFile(unit, text.replace(/EnvironmentFile=.*/, ''));
  assert.match(await driver.startProblem(launch), /does not read .*; write EnvironmentFile=/);
});

async function warningsOf(driver: Driver): Promise<readonly string[]> {
  return (await driver.warnings?.(driver.launchOf('v1'))) ?? [];
}
