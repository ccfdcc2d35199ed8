// What is asked of each driver whose instances something else keeps, with a fake of it that keeps real
// processes.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ServiceConfig } from '../../../src/config.ts';
import { driverOf } from '../../../src/release/drivers.ts';
import { type Host, localHost } from '../../../src/release/hosts.ts';
import { until } from '../base/until.ts';
import { deploy, FakeControl, firstOf, ids, outcomes } from './builders.ts';
import { type DriverCase, driverContract } from './driver-contract.ts';
import { type FakeKind, fakeService } from './fakes.ts';
import { shellHost } from './shell-host.ts';

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

export function keptSuite(kind: FakeKind): void {
  driverContract(`${kind} on this machine`, (t) => fakeCase(t, kind, localHost));
  driverContract(`${kind} by shell scripts`, (t) => fakeCase(t, kind, shellHost('sh', '-s')));

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

async function answerOf(service: ServiceConfig): Promise<Record<string, string>> {
  const response = await fetch(`http://${firstOf(service).id}/`);
  return JSON.parse(await response.text());
}
