// Commands at the points of a release: when they run, what they get, and what their failure means.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isRunning } from '../../test/support/base/process-facts.ts';
import { until } from '../../test/support/base/until.ts';
import {
  deploy,
  journalOf,
  NO_HOOKS,
  outcomes,
  type Scene,
  scene,
  when,
} from '../../test/support/release/builders.ts';
import type { HookConfig } from '../config.ts';
import { Interrupts } from './wait.ts';

type Hooks = Partial<Record<keyof typeof NO_HOOKS, string | Partial<HookConfig>>>;

/** Two instances at v1, and their service with these hooks; `LOG` in a command is a file. */
async function hooked(t: TestContext, hooks: Hooks): Promise<Scene & { readonly log: string }> {
  const it = await scene(t);
  const log = join(it.service.runDir, 'hooks');
  const given = Object.entries(hooks).map(([point, hook]) => {
    const part = typeof hook === 'string' ? { command: hook } : hook;
    const command = (part.command ?? '').replaceAll('LOG', log);
    return [point, { on: 'local', timeoutMs: 20_000, ...part, command }];
  });
  const folder = it.service.runDir;
  const all = { ...NO_HOOKS, ...Object.fromEntries(given) };
  return { ...it, log, service: { ...it.service, folder, hooks: all } };
}

const lines = async (file: string): Promise<readonly string[]> =>
  (await readFile(file, 'utf8').catch(() => '')).trimEnd().split('\n').filter(Boolean);

const SAY =
  'echo "$SLUICE_HOOK $SLUICE_RELEASE $SLUICE_VERSION $SLUICE_FROM $SLUICE_INSTANCE" >> LOG';

test('hooks run at their points, and are told of what', async (t) => {
  const { service, control, a, b, log } = await hooked(t, {
    beforeRelease: SAY,
    beforeStop: SAY,
    afterStart: SAY,
    afterRelease: 'echo "$SLUICE_HOOK $SLUICE_OUTCOME $SLUICE_EXIT" >> LOG',
    onFailure: 'echo never >> LOG',
  });
  const deployed = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  assert.deepEqual(
    await lines(log),
    [
      'before_release r2 v2',
      `before_stop r2 v2 v1 ${a}`,
      `after_start r2 v2 v1 ${a}`,
      `before_stop r2 v2 v1 ${b}`,
      `after_start r2 v2 v1 ${b}`,
      'after_release succeeded 0',
    ].map((line) => (line.startsWith('before_release') ? `${line}  ` : line)),
  );
  const steps = (await journalOf(service, 'r2')).filter((record) => record.startsWith('done '));
  assert.deepEqual(steps.slice(0, 8), [
    ...['done guard', 'done drain', 'done before_stop', 'done stop', 'done start'],
    ...['done check', 'done after_start', 'done admit'],
  ]);
});

test('nothing is touched when the hook before the release fails', async (t) => {
  const { service, control } = await hooked(t, { beforeRelease: 'echo no disk; exit 3' });
  const deployed = await deploy(service, control, 'v2');
  const { outcome, exit, reason, evidence } = deployed.result;
  assert.deepEqual([outcome, exit], ['refused', 3]);
  assert.equal(reason, 'hook before_release exited with code 3');
  assert.deepEqual(evidence, ['before_release: no disk']);
  assert.deepEqual(outcomes(deployed), ['v1 in untouched', 'v1 in untouched']);
  assert.deepEqual(control.calls, []);
});

test('a release that has nothing to do runs none', async (t) => {
  const { service, control, log } = await hooked(t, { beforeRelease: SAY, afterRelease: SAY });
  await deploy(service, control, 'v1');
  assert.deepEqual(await lines(log), []);
});

test('a hook before the stop that fails puts the instance back', async (t) => {
  const { service, control, a } = await hooked(t, { beforeStop: 'echo not now >&2; false' });
  const deployed = await deploy(service, control, 'v2');
  assert.equal(deployed.result.exit, 1);
  assert.equal(deployed.result.reason, 'hook before_stop exited with code 1');
  assert.deepEqual(deployed.result.evidence, ['before_stop: not now']);
  assert.deepEqual(outcomes(deployed), ['v1 in untouched', 'v1 in untouched']);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`]);
});

test('a hook after the start that fails is a failed check; on_failure hears of it', async (t) => {
  const { service, control, log } = await hooked(t, {
    afterStart: 'exit 7',
    onFailure: 'echo "$SLUICE_OUTCOME: $SLUICE_REASON" >> LOG; exit 1',
    afterRelease: 'echo never >> LOG',
  });
  const deployed = await deploy(service, control, 'v2');
  assert.equal(deployed.result.reason, 'hook after_start exited with code 7');
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
  assert.deepEqual(await lines(log), ['failed: hook after_start exited with code 7']);
  const notes = deployed.events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
  assert.deepEqual(notes, ['hook on_failure exited with code 1']);
});

test('a hook that does not end is ended with all that it has started', async (t) => {
  const { service, control, log } = await hooked(t, {
    beforeStop: { command: 'sleep 600 & echo $! > LOG; wait', timeoutMs: 300 },
  });
  const deployed = await deploy(service, control, 'v2');
  assert.equal(deployed.result.reason, 'hook before_stop did not end within 300ms');
  const [pid] = await lines(log);
  // It was told; the system may need a moment.
  await until(() => !isRunning(Number(pid)));
});

test('a first signal in the hook before the stop ends it and puts the instance back', async (t) => {
  const { service, control, a } = await hooked(t, { beforeStop: 'sleep 600' });
  const interrupts = new Interrupts();
  const stop = when(a, 'before_stop', 'start', () => interrupts.raise('SIGINT'));
  const deployed = await deploy(service, control, 'v2', { interrupts, ...stop });
  assert.equal(deployed.result.exit, 130);
  assert.deepEqual(outcomes(deployed), ['v1 in untouched', 'v1 in untouched']);
});

test('a first signal in the hook after the start lets it finish, a second ends it', async (t) => {
  const once = await hooked(t, { afterStart: 'sleep 0.2' });
  const interrupts = new Interrupts();
  const stop = when(once.a, 'after_start', 'start', () => interrupts.raise('SIGINT'));
  const deployed = await deploy(once.service, once.control, 'v2', { interrupts, ...stop });
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v1 in untouched']);
  const twice = await hooked(t, { afterStart: 'sleep 600' });
  const both = new Interrupts();
  const end = when(twice.a, 'after_start', 'start', () => {
    both.raise('SIGINT');
    both.raise('SIGTERM');
  });
  const ended = await deploy(twice.service, twice.control, 'v2', { interrupts: both, ...end });
  assert.equal(ended.result.instances[0]?.outcome, 'stuck');
});

test('while the hook before the stop runs, the rest of the pool is watched', async (t) => {
  const { service, control, a, b, log } = await hooked(t, {
    beforeStop: 'echo run >> LOG; test -e LOG.go || exec sleep 600',
  });
  const fall = when(a, 'before_stop', 'start', () => {
    control.server(b).forced = 'down';
  });
  const onEvent = (event: Parameters<typeof fall.onEvent>[0]): void => {
    fall.onEvent(event);
    if (event.type === 'step' && event.step === 'before_stop' && event.phase === 'failed') {
      control.server(b).forced = '';
      writeFileSync(`${log}.go`, '');
    }
  };
  const patient = { ...service, guardWaitMs: 20_000 };
  const deployed = await deploy(patient, control, 'v2', { onEvent });
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  // Once for each instance, and once more for the first.
  assert.equal((await lines(log)).length, 3);
});

test('the pool is looked at once more when the hook before the stop is over', async (t) => {
  const { service, control, a, b, log } = await hooked(t, { beforeStop: 'echo run >> LOG' });
  const fall = when(a, 'before_stop', 'start', () => {
    control.server(b).forced = 'down';
  });
  const deployed = await deploy(service, control, 'v2', fall);
  assert.equal(deployed.result.code, 'guard_refused');
  assert.equal((await lines(log)).length, 1);
  assert.equal(deployed.result.instances[0]?.outcome, 'untouched');
});

test('a hook on the host has its folder and no more than it needs', async (t) => {
  process.env['TEST_CI_SECRET'] = 'x';
  t.after(() => delete process.env['TEST_CI_SECRET']);
  const command = 'echo "$PWD [$TEST_CI_SECRET] $SLUICE_PORT" >> LOG; echo said';
  const { service, control, a, log } = await hooked(t, { afterStart: { on: 'host', command } });
  const deployed = await deploy(service, control, 'v2');
  assert.equal(deployed.result.outcome, 'succeeded');
  assert.equal((await lines(log))[0], `${service.cwd} [] ${a.split(':').at(-1)}`);
  const output = deployed.events.flatMap((event) =>
    event.type === 'step' && event.phase === 'output' ? [event.data] : [],
  );
  assert.deepEqual(output, [{ line: 'said' }, { line: 'said' }]);
});

test('a hook on the host that does not end has failed', async (t) => {
  const slow = { on: 'host', command: 'exec sleep 600', timeoutMs: 200 } as const;
  const { service, control } = await hooked(t, { afterStart: slow });
  const deployed = await deploy(service, control, 'v2');
  assert.equal(deployed.result.reason, 'hook after_start did not end within 200ms');
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
});

test('what a hook prints is kept beside the journal, without secrets', async (t) => {
  process.env['TEST_HOOK_SECRET'] = 'correct-horse';
  t.after(() => delete process.env['TEST_HOOK_SECRET']);
  const it = await hooked(t, { afterStart: 'echo "it is $TEST_HOOK_SECRET"' });
  const env = { ...it.service.env, SECRET: 'env:TEST_HOOK_SECRET' };
  const { events } = await deploy({ ...it.service, env }, it.control, 'v2');
  const kept = await lines(join(it.service.runDir, 'app/releases/r2.log'));
  assert.deepEqual(kept.slice(0, 2), [
    '$ echo "it is $TEST_HOOK_SECRET"   (after_start)',
    'it is ***',
  ]);
  assert.doesNotMatch(JSON.stringify(events), /correct-horse/);
});
