import assert from 'node:assert/strict';
import { copyFile, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePorts } from '../../test/support/base/ports.ts';
import {
  buildService,
  deploy,
  FakeControl,
  firstOf,
  ids,
  instanceAt,
  journalOf,
  outcomes,
  pidOf,
  scene,
  versionOf,
  when,
} from '../../test/support/release/builders.ts';
import type { ReleaseEvent } from './events.ts';

/** The data of a step's last event of that phase. */
function stepData(events: readonly ReleaseEvent[], step: string, phase: string): unknown {
  const found = events.findLast(
    (event) => event.type === 'step' && event.step === step && event.phase === phase,
  );
  return found?.type === 'step' ? found.data : undefined;
}

test('rolls a version out, one instance after the other, each step in the journal', async (t) => {
  const { service, control, a, b } = await scene(t);
  const pids = [await pidOf(service, a), await pidOf(service, b)];
  const deployed = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  assert.equal(deployed.result.exit, 0);
  const checked = deployed.events.find(
    (event) => event.type === 'step' && event.step === 'check' && event.phase === 'done',
  );
  assert(checked?.type === 'step');
  assert.deepEqual(Object.keys(checked.data), ['answer', 'version', 'passes']);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`, `${b} drain`, `${b} ready`]);
  assert.equal(control.eligibleMin, 1);
  const steps = ['guard', 'drain', 'stop', 'start', 'check', 'admit'].flatMap((step) => [
    `intent ${step}`,
    `done ${step}`,
  ]);
  assert.deepEqual(await journalOf(service, 'r2'), ['begin', 'plan', ...steps, ...steps, 'end']);
  assert.notDeepEqual([await pidOf(service, a), await pidOf(service, b)], pids);
});

test('a version that is there already is left alone, unless forced', async (t) => {
  const { service, control, a } = await scene(t);
  const pid = await pidOf(service, a);
  const again = await deploy(service, control, 'v1');
  assert.equal(again.result.outcome, 'unchanged');
  assert.equal(again.result.exit, 0);
  assert.deepEqual(control.calls, []);
  assert.equal(await pidOf(service, a), pid);
  const forced = await deploy(service, control, 'v1', { force: true });
  assert.deepEqual(outcomes(forced), ['v1 in released', 'v1 in released']);
  assert.notEqual(await pidOf(service, a), pid);
});

test('a version that dies at start is noticed at once, and the old one brought back', async (t) => {
  const { service, control, a, b } = await scene(t);
  const pid = await pidOf(service, b);
  const deployed = await deploy(service, control, 'broken');
  assert.equal(deployed.result.exit, 1);
  assert.match(deployed.result.reason, /^check failed: process exited with code 1 after /);
  assert.deepEqual(deployed.result.evidence, [
    'last probe: connect ECONNREFUSED',
    `app log: app broken on ${a}: cannot load ./config/prod.json: no such file`,
  ]);
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`]);
  assert.equal(await pidOf(service, b), pid);
});

test('a process that is killed while it is checked is named by its signal', async (t) => {
  const { service, control } = await scene(t);
  const suicide = 'process.kill(process.pid, "SIGSEGV"); setTimeout(() => {}, 60000)';
  const changed = { ...service, start: [process.execPath, '-e', suicide] };
  const { result } = await deploy(changed, control, 'v2');
  assert.match(result.reason, /^check failed: process was ended by SIGSEGV after /);
});

test('with on_failure park the failed instance stays out, and the next release takes it first', async (t) => {
  const { service, control, a, b } = await scene(t, { onFailure: 'park' });
  const failed = await deploy(service, control, 'broken');
  assert.equal(failed.result.exit, 1);
  assert.deepEqual(outcomes(failed), ['- out parked', 'v1 in untouched']);
  assert.equal(control.server(a).state.state, 'maint');
  assert.equal(control.server(a).state.owner, 'release:r2');
  control.calls.length = 0;
  const fixed = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(fixed), ['v2 in released', 'v2 in released']);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`, `${b} drain`, `${b} ready`]);
});

test('a failed first deploy has nothing to go back to and is parked', async (t) => {
  const service = await buildService(t, 2);
  const control = new FakeControl(ids(service));
  const failed = await deploy(service, control, 'broken');
  assert.equal(failed.result.exit, 1);
  assert.deepEqual(outcomes(failed), ['- out parked', '- out untouched']);
  const fixed = await deploy(service, control, 'v1');
  assert.deepEqual(outcomes(fixed), ['v1 in released', 'v1 in released']);
});

test('an app that answers another version is not the release, however healthy', async (t) => {
  const { service, control, a } = await scene(t);
  const lying = { ...service, env: { ...service.env, ANSWER_VERSION: 'v1' } };
  const deployed = await deploy(lying, control, 'v2');
  const port = a.split(':')[1];
  const wrong = new RegExp(
    `^check failed: port ${port} answers v1, not v2 \\(what was started, pid \\d+\\)$`,
  );
  assert.match(deployed.result.reason, wrong);
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
});

test('an app that binds late is waited for', async (t) => {
  const { service, control } = await scene(t);
  const late = { ...service, env: { ...service.env, LATE_MS: '300' } };
  const deployed = await deploy(late, control, 'v2');
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
});

test('an app that is never ready fails at the deadline, with what it answered', async (t) => {
  const { service, control } = await scene(t);
  const unready = { ...service, checkDeadlineMs: 3000, env: { ...service.env, UNREADY: 'on' } };
  // The old version's launch is the recorded one, so the revert is not unready.
  const deployed = await deploy(unready, control, 'v2');
  assert.match(deployed.result.reason, /^check failed: not healthy within 3s/);
  assert.match(
    deployed.result.evidence[0] ?? '',
    /^last probe: 503 in \d+ms, not expected: not ready/,
  );
});

test('the gateway has to find it healthy too', async (t) => {
  const { service, control, a } = await scene(t, { checkDeadlineMs: 5000 });
  const blind = when(a, 'start', 'done', () => {
    control.server(a).forced = 'down';
  });
  const deployed = await deploy(service, control, 'v2', blind);
  assert.match(
    deployed.result.reason,
    /^check failed: healthy from here, but the gateway's check says down \(no probe yet\) within 5/,
  );
  // The old version cannot be admitted either while the gateway does not see it.
  assert.equal(deployed.result.exit, 7);
  assert.deepEqual(outcomes(deployed), ['v1 out parked', 'v1 in untouched']);
});

test('a process that ignores TERM is killed after the deadline', async (t) => {
  const { service, control, b } = await scene(t, {
    env: { VERSION: '{version}', IGNORE_TERM: 'on' },
    stopTimeoutMs: 150,
  });
  const pid = await pidOf(service, b);
  const deployed = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  assert.deepEqual(stepData(deployed.events, 'stop', 'done'), { signal: 'KILL', kill: `${pid}` });
});

test('the old process is told to stop only when nothing is in flight', async (t) => {
  const { service, control, a } = await scene(t);
  control.server(a).inFlight = 3;
  let inFlightAtStop = -1;
  const finish = (event: ReleaseEvent): void => {
    if (event.type !== 'step' || event.instance !== a) return;
    if (event.step === 'drain' && event.phase === 'wait') control.server(a).inFlight = 0;
    if (event.step === 'stop' && event.phase === 'start')
      inFlightAtStop = control.server(a).inFlight;
  };
  const deployed = await deploy(service, control, 'v2', { onEvent: finish });
  assert.equal(inFlightAtStop, 0);
  assert.equal(deployed.result.outcome, 'succeeded');
});

test('a drain that is not over in time is cut short, and says what was left', async (t) => {
  const { service, control, a } = await scene(t, { drainTimeoutMs: 100 });
  control.server(a).inFlight = 2;
  const stopped = when(a, 'stop', 'done', () => {
    control.server(a).inFlight = 0;
  });
  const deployed = await deploy(service, control, 'v2', stopped);
  const drained = deployed.events.find(
    (event) => event.type === 'step' && event.step === 'drain' && event.phase === 'done',
  );
  assert.deepEqual(drained?.type === 'step' && drained.data, { left: 2, waited: '100ms' });
  assert.equal(deployed.result.outcome, 'succeeded');
});

test('with drain.on_timeout halt the server goes back into traffic untouched', async (t) => {
  const { service, control, a } = await scene(t, { drainTimeoutMs: 100, drainOnTimeout: 'halt' });
  const pid = await pidOf(service, a);
  control.server(a).inFlight = 2;
  const deployed = await deploy(service, control, 'v2');
  assert.equal(deployed.result.exit, 1);
  assert.match(deployed.result.reason, /^drain not over after 100ms: 2 in flight/);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`]);
  assert.equal(await pidOf(service, a), pid);
});

test('the last eligible server is never taken out', async (t) => {
  const { service, control, a, b } = await scene(t, { guardWaitMs: 50 });
  control.server(b).forced = 'down';
  const pids = [await pidOf(service, a), await pidOf(service, b)];
  // B comes first, since it takes no traffic; it stays down for the gateway, so A must stay.
  const deployed = await deploy({ ...service, checkDeadlineMs: 200 }, control, 'v2');
  assert.equal(deployed.result.exit, 7);
  assert.equal(await pidOf(service, a), pids[0]);
  assert(!control.calls.includes(`${a} drain`));
});

test('a guard that refuses changes nothing and ends with its own exit code', async (t) => {
  const { service, control, b } = await scene(t, { guardWaitMs: 20 });
  control.server(b).state = { state: 'maint', owner: 'user:bob', reason: 'disk', sinceMs: 0 };
  const deployed = await deploy(service, control, 'v2');
  assert.equal(deployed.result.exit, 5);
  assert.deepEqual(control.calls, []);
  assert.deepEqual(outcomes(deployed), ['v1 in untouched', 'v1 out skipped']);
  assert.equal(control.server(b).state.owner, 'user:bob');
});

test('a guard that waits goes on when the capacity is back', async (t) => {
  const { service, control, a, b } = await scene(t, { guardWaitMs: 60_000 });
  control.server(b).state = { state: 'maint', owner: 'user:bob', reason: '', sinceMs: 0 };
  control.onChange = () => {
    control.server(b).state = { state: 'ready', owner: '', reason: '', sinceMs: 0 };
  };
  const deployed = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v1 in skipped']);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`]);
});

test('a drain is called off when the other server goes down before the stop', async (t) => {
  const { service, control, a, b } = await scene(t);
  const pid = await pidOf(service, a);
  control.server(a).inFlight = 1;
  const lose = when(a, 'drain', 'start', () => {
    control.server(b).forced = 'down';
  });
  const deployed = await deploy(service, control, 'v2', lose);
  assert.equal(deployed.result.exit, 5);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`]);
  assert.equal(await pidOf(service, a), pid);
});

test('a port that something else holds is named before anything is touched', async (t) => {
  const [port = 0] = await freePorts(1);
  const stranger = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  t.after(() => stranger.close());
  const built = await buildService(t, 1);
  const service = { ...built, instances: [...built.instances, instanceAt(port)] };
  const control = new FakeControl(ids(service));
  const { result } = await deploy(service, control, 'v1');
  assert.equal(result.exit, 3);
  assert.match(result.reason, new RegExp(`port ${port} is held by pid ${process.pid} \\(`));
  assert.deepEqual(control.calls, []);
});

test('a process that takes the port between stop and start is named, and is no version', async (t) => {
  const { service, control, a } = await scene(t);
  const { port } = firstOf(service).address;
  const thief = createHttpServer((_, response) => {
    response.setHeader('x-app-version', 'v2').end('v2');
  });
  t.after(() => thief.close());
  const take = (): void => void thief.listen(port, '127.0.0.1');
  thief.on('error', () => setTimeout(take, 1));
  const { result, events } = await deploy(service, control, 'v2', when(a, 'stop', 'start', take));
  const taken = `port ${port} was taken by pid ${process.pid} \\(.+\\), which is not of this instance`;
  assert.match(
    result.reason,
    new RegExp(`^${taken}; then v1 could not be brought back: ${taken}$`),
  );
  assert.equal(result.instances[0]?.version, '');
  assert.match(result.instances[0]?.stranger ?? '', new RegExp(`^pid ${process.pid} `));
  for (const event of events) if (event.type === 'step') assert(event.ms < 4000, 'waited in vain');
});

test('an old version that cannot be brought back is parked, with its own exit code', async (t) => {
  const built = await buildService(t, 2);
  const app = join(import.meta.dirname, '..', '..', 'demo', 'app.ts');
  const copy = join(built.runDir, 'app-v1.ts');
  await copyFile(app, copy);
  const start = [process.execPath, join(built.runDir, 'app-{version}.ts'), '-p', '{port}'];
  const service = { ...built, start };
  const [a = '', b = ''] = ids(service);
  const control = new FakeControl([a, b]);
  await deploy(service, control, 'v1');
  const lose = when(a, 'stop', 'done', () => void rm(copy));
  const deployed = await deploy(service, control, 'v2', lose);
  assert.equal(deployed.result.exit, 7);
  assert.match(deployed.result.reason, /then v1 could not be brought back: .*app-v1\.ts is gone$/);
  assert.deepEqual(outcomes(deployed), ['- out parked', 'v1 in untouched']);
});

test('an instance that died is started again by a deploy of the same version', async (t) => {
  const { service, control, a } = await scene(t);
  process.kill((await pidOf(service, a)) ?? 0, 'SIGKILL');
  while ((await versionOf(a)) !== '') await new Promise((resolve) => setTimeout(resolve, 10));
  const deployed = await deploy(service, control, 'v1');
  assert.deepEqual(outcomes(deployed), ['v1 in released', 'v1 in kept']);
});

test('two releases of one service at the same time: the second is refused and named the first', async (t) => {
  const { service, control, a } = await scene(t);
  let second: Promise<unknown> = Promise.resolve();
  const both = when(a, 'drain', 'start', () => {
    second = deploy(service, control, 'v3');
    second.catch(() => {}); // Looked at below.
  });
  const deployed = await deploy(service, control, 'v2', both);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  await assert.rejects(second, {
    code: 'locked',
    message: new RegExp(`release r2 to v2 by .* \\(pid ${process.pid}\\) has been running for `),
  });
});
