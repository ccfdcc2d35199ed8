import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ALONE } from '../../test/support/base/scopes.ts';
import { until } from '../../test/support/base/until.ts';
import { startSshd } from '../../test/support/cli/sshd.ts';
import { artifactConfig } from '../../test/support/release/artifacts.ts';
import { buildService, instanceAt } from '../../test/support/release/builders.ts';
import type { HostConfig, ServiceConfig } from '../config.ts';
import { closeHosts, examine, type Finding } from '../release.ts';
import { driverOf } from './drivers.ts';
import { hostOf } from './hosts.ts';

type Control = Parameters<typeof examine>[1];
type Gateway = Awaited<ReturnType<Control['status']>>['gateways'][number];

const SELF: Gateway = {
  ...{ id: 'a', name: 'pid 1 on web-1', state: 'live' as const, version: '1.0.0', control: '' },
  ...{ sinceMs: 0, index: 1, generation: 1, current: true, lagMs: 0 },
};

function control(gateways: readonly Gateway[] = [SELF]): Control {
  return { status: async () => ({ scope: ALONE, gateways, upstreams: [{ name: 'app' }] }) };
}

function said(findings: readonly Finding[]): string[] {
  return findings.map(({ of, what, state, text }) => `${state} ${of}: ${what}: ${text}`);
}

function find(findings: readonly Finding[], what: string): Finding | undefined {
  return findings.find((finding) => finding.what === what);
}

async function serviceBehindSsh(
  t: TestContext,
  part: Partial<HostConfig['ssh']> = {},
): Promise<ServiceConfig | undefined> {
  const sshd = await startSshd(t);
  if (sshd === undefined) return undefined;
  const host = { name: 'app-1', address: '127.0.0.1', ssh: { ...sshd.ssh, ...part } };
  const built = await buildService(t, 1);
  const port = built.instances[0]?.address.port ?? 0;
  const service = {
    ...built,
    instances: [instanceAt(port, 'app-1')],
    hosts: new Map([['app-1', host]]),
  };
  t.after(() => closeHosts(service));
  return service;
}

test('doctor says of a good host and a good gateway that they are good', async (t) => {
  const service = await serviceBehindSsh(t);
  if (service === undefined) return;
  const findings = await examine(service, control());
  const bad = findings.filter(({ state, what }) => state !== 'ok' && what !== 'disk');
  assert.deepEqual(bad, [], said(findings).join('\n'));
  assert.match(find(findings, 'ssh')?.text ?? '', /^host "app-1" \(.*@127\.0\.0\.1\) in \d/);
  const port = service.instances[0]?.address.port ?? 0;
  assert.equal(find(findings, `port ${port}`)?.text, 'free');
  assert.match(find(findings, 'control')?.text ?? '', /version 1\.0\.0/);
});

test('doctor names what is wrong on a host, with what to do', async (t) => {
  const service = await serviceBehindSsh(t);
  if (service === undefined) return;
  const port = service.instances[0]?.address.port ?? 0;
  const stranger = createServer().listen(port, '127.0.0.1');
  t.after(() => stranger.close());
  const broken = { ...service, start: ['/no/such/program'] };
  const findings = await examine(broken, control(), () => Date.now() + 3_600_000);
  assert.match(find(findings, `port ${port}`)?.text ?? '', /^held by pid \d+/);
  assert.equal(find(findings, `port ${port}`)?.state, 'fail');
  assert.match(find(findings, 'start')?.text ?? '', /no\/such\/program is not an executable file/);
  assert.match(find(findings, 'clock')?.text ?? '', /^3[56]\d\d\.\d s behind ours$/);
  assert.equal(find(findings, 'clock')?.state, 'warn');
});

test('doctor says why a host cannot be reached, and looks at the rest', async (t) => {
  const service = await serviceBehindSsh(t, { identity: '/no/such/key', config: '/dev/null' });
  if (service === undefined) return;
  const findings = await examine(service, control());
  const ssh = find(findings, 'ssh');
  assert.equal(ssh?.state, 'fail');
  assert.notEqual(ssh?.advice, '');
  assert.equal(find(findings, 'control')?.state, 'ok');
});

for (const [program, state, text] of [
  ['bin/app', 'ok', /^bin\/app: comes with the version$/],
  ['/srv/app/current/bin/app', 'ok', /: comes with the version$/],
  ['/srv/{version}/app', 'ok', /: comes with the version$/],
  ['/bin/sh', 'ok', /^\/bin\/sh: is there$/],
  ['sh', 'ok', /^sh: is there$/],
  ['/srv/app/../no-such-program', 'fail', /^\/srv\/no-such-program is not an executable file$/],
  ['no-such-program', 'fail', /^the program "no-such-program" is not on the PATH$/],
] as const) {
  test(`doctor, with an artifact, of the program ${program}: ${state}`, async (t) => {
    const artifact = artifactConfig('/srv/app');
    const service = await buildService(t, 1, { artifact, start: [program, 'app.js'] });
    const findings = await examine(service, control());
    const disks = findings.filter(({ what }) => what === 'disk').map(({ text }) => text);
    assert.equal(disks.length, 2);
    assert.match(disks[1] ?? '', /^[\d,]+ MB free for \/srv\/app$/);
    const start = find(findings, 'start');
    assert.equal(start?.state, state);
    assert.match(start?.text ?? '', text);
  });
}

test('doctor says when instances cannot be run as their user, also with an artifact', async (t) => {
  for (const artifact of [null, artifactConfig('/srv/app')]) {
    const service = await buildService(t, 1, { artifact, user: 'no-such-user' });
    const found = find(await examine(service, control()), 'run as');
    assert.equal(found?.state, 'fail');
    assert.equal(found.text, 'user "no-such-user" does not exist');
    assert.equal(found.advice, 'make it, or change user');
  }
});

test('doctor names gateways that are silent or of another version', async (t) => {
  const service = await buildService(t, 1);
  const others = [
    SELF,
    { ...SELF, name: 'pid 2 on web-2', state: 'silent' as const },
    { ...SELF, name: 'pid 3 on web-3', version: '0.9.0' },
  ];
  const findings = await examine(service, control(others), () => 60_000);
  const lines = said(findings);
  assert(
    lines.includes('warn gateway pid 2 on web-2: lease: silent for 1m: drains do not wait for it'),
  );
  assert(
    lines.includes(
      'warn gateway pid 3 on web-3: version: runs version 0.9.0, the one that answers 1.0.0',
    ),
  );
  const elsewhere = await examine({ ...service, upstream: 'web' }, control());
  assert.equal(find(elsewhere, 'upstream')?.state, 'fail');
});

test('doctor says who starts an instance again, and how often that was', async (t) => {
  const plain = await serviceBehindSsh(t);
  if (plain === undefined) return;
  const service = { ...plain, start: ['sleep', '600'], cwd: '/' };
  const [instance] = service.instances;
  assert(instance !== undefined);
  const driver = driverOf(service, instance);
  await hostOf(service, instance).connect();
  const said = async (): Promise<string> =>
    find(await examine(service, control()), 'restarts')?.text ?? '';
  assert.equal(await said(), '');
  const first = await driver.start(driver.launchOf('v1'), 'r1');
  assert.match(await said(), /^not started again when it ends: no release/);
  await driver.keep?.('on', { fence: 0, holdMs: 0 });
  assert.match(await said(), /^started again when it ends, but not after a reboot: driver systemd/);
  assert.deepEqual(await driver.warnings?.(driver.launchOf('v2')), []);
  process.kill((await driver.state(first.handle)).pid, 'SIGKILL');
  const again =
    /^started again once since 20\d\d-[-\dT:]+Z, last: was ended by signal 9 at [-\dT:]+Z$/;
  await until(async () => again.test(await said()));
  const found = await driver.find(first);
  assert.equal(found?.launch, first.launch);
  assert.notDeepEqual(found?.handle, first.handle);
  assert.match((await driver.warnings?.(driver.launchOf('v2')))?.[0] ?? '', /: started again once/);
  // A start in the place of one that has just been started again ends that first.
  const second = await driver.start(driver.launchOf('v2'), 'r2');
  assert.notEqual((await driver.state(found.handle)).ended, '');
  assert.equal((await driver.find(null))?.launch.version, 'v2');
  await driver.keep?.('on', { fence: 0, holdMs: 0 });
  const { trouble } = await driver.stop(second.handle, { timeoutMs: 10_000 });
  assert.equal(trouble, '');
  assert.equal(await said(), '');
});
