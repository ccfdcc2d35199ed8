// A version that passes its check and its admit, and fails after that, while the release goes on.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  deploy,
  outcomes,
  pidOf,
  type Scene,
  scene,
  versionOf,
  when,
} from '../../../test/support/release/builders.ts';
import { Interrupts } from '../wait.ts';

const APP = join(import.meta.dirname, '../..', '..', 'demo', 'app.ts');
/** The app, but SIGUSR2 ends it with an exit code and a word in its log. */
const MORTAL = `process.on('SIGUSR2', () => { console.log('out of luck'); process.exit(3); }); import(${JSON.stringify(APP)});`;

async function end({ service }: Scene, id: string, signal: NodeJS.Signals): Promise<void> {
  process.kill((await pidOf(service, id)) ?? 0, signal);
}

for (const [where, step, phase] of [
  ['before the guard of the next one', 'admit', 'done'],
  ['while the next one drains', 'drain', 'wait'],
] as const) {
  test(`one that dies ${where} is the version's failure, and taken back`, async (t) => {
    const it = await scene(t, { guardWaitMs: 60_000 });
    const { service, control, a, b } = it;
    const pid = await pidOf(service, b);
    const start = [process.execPath, '-e', MORTAL, '--', '-h', '{host}', '-p', '{port}'];
    control.server(b).inFlight = 1; // Its drain is not over by itself.
    const die = when(step === 'admit' ? a : b, step, phase, () => void end(it, a, 'SIGUSR2'));
    const deployed = await deploy({ ...service, start }, control, 'v2', die);
    const { exit, reason, evidence, next, ms } = deployed.result;
    assert.equal(exit, 1);
    assert.equal(reason, `${a}: its process exited with code 3 after it had been released`);
    assert.equal(evidence.at(-1), 'app log: out of luck');
    assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
    assert.equal(await pidOf(service, b), pid);
    assert.match(next.join('\n'), /^read .*\.log\nfix it and deploy again$/);
    assert(ms < 30_000, 'the guard is not waited for');
  });
}

test('one that dies during the last look is not called a success', async (t) => {
  const it = await scene(t);
  const { service, control, a, b } = it;
  let isAdmitted = false;
  const look = control.status.bind(control);
  const deployed = deploy(service, control, 'v2', {
    onEvent: (event) => {
      isAdmitted ||= event.type === 'instance' && event.instance === b;
    },
  });
  let looks = 0;
  control.status = async () => {
    // The first status after the last instance is the look back, the second is the survey's.
    if (isAdmitted) looks += 1;
    if (looks === 2) {
      await end(it, a, 'SIGKILL');
      while ((await versionOf(a)) !== '') await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return look();
  };
  const { result, events } = await deployed;
  assert.equal(result.exit, 1);
  assert.deepEqual(outcomes({ result, events }), ['v1 in reverted', 'v2 in released']);
});

test('one that is down for the gateway after its release is taken back too', async (t) => {
  const { service, control, a, b } = await scene(t);
  const fall = when(b, 'stop', 'start', () => {
    control.server(a).forced = 'down';
  });
  const deployed = await deploy({ ...service, checkDeadlineMs: 3000 }, control, 'v2', {
    onEvent: (event) => {
      fall.onEvent(event);
      const isBack = event.type === 'step' && event.revert && event.step === 'stop';
      if (isBack) control.server(a).forced = '';
    },
  });
  assert.equal(deployed.result.exit, 1);
  assert.match(deployed.result.reason, /: is down for 3s \(.*\) after it had been released$/);
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v2 in released']);
});

test('one that a restarted gateway has to see up again first is waited for', async (t) => {
  const { service, control, a, b } = await scene(t);
  const pause = when(b, 'admit', 'done', () => {
    control.server(a).forced = 'down';
    setTimeout(() => {
      control.server(a).forced = '';
    }, 800);
  });
  const deployed = await deploy(service, control, 'v2', pause);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
});

test('with on_failure park it is taken out, and the next release comes to it first', async (t) => {
  const { service, control, a, b } = await scene(t, { onFailure: 'park' });
  const kill = when(b, 'start', 'done', async () => {
    process.kill((await pidOf(service, a)) ?? 0, 'SIGKILL');
  });
  const deployed = await deploy(service, control, 'v2', kill);
  assert.equal(deployed.result.exit, 1);
  assert.match(deployed.result.reason, /: its process was ended by SIGKILL after it had been /);
  assert.deepEqual(outcomes(deployed), ['- out parked', 'v2 in released']);
  const fixed = await deploy(service, control, 'v3');
  assert.deepEqual(outcomes(fixed), ['v3 in released', 'v3 in released']);
});

test('after an interrupt one that has died is named, and nothing new is begun', async (t) => {
  const { service, control, a, b } = await scene(t);
  const interrupts = new Interrupts();
  const kill = when(b, 'start', 'done', async () => {
    interrupts.raise('SIGINT');
    process.kill((await pidOf(service, a)) ?? 0, 'SIGKILL');
  });
  const deployed = await deploy(service, control, 'v2', { interrupts, ...kill });
  assert.equal(deployed.result.exit, 1);
  assert.deepEqual(outcomes(deployed), ['- out failed', 'v2 in released']);
  assert(!control.calls.slice(4).includes(`${a} drain`));
});
