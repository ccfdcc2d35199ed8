// Releases whose lock and journal are in the registry that the gateways share.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning } from '../../../test/support/base/process-facts.ts';
import { MemoryRegistry } from '../../../test/support/gateways/memory-registry.ts';
import {
  buildService,
  deploy,
  FakeControl,
  ids,
  outcomes,
  pidOf,
  versionOf,
  when,
} from '../../../test/support/release/builders.ts';
import { receiver } from '../../../test/support/release/receiver.ts';
import { shareRecords } from '../../../test/support/release/shared-records.ts';
import type { TakeRequest } from '../../admin/contract.ts';
import type { ServiceConfig } from '../../config.ts';
import { Interrupts } from '../wait.ts';

type Context = Parameters<typeof shareRecords>[0] & Parameters<typeof buildService>[0];

async function scene(t: Context, part: Partial<ServiceConfig> = {}, count = 2) {
  const service = await buildService(t, count, part);
  const all = ids(service);
  const [a = '', b = '', c = ''] = all;
  const control = new FakeControl(all);
  const records = shareRecords(t, control);
  const { result } = await deploy(service, control, 'v1');
  assert.equal(result.outcome, 'succeeded', JSON.stringify(result));
  const journal = async (release: string): Promise<string[]> => {
    const { records: lines } = await records.journal('app', release);
    assert.deepEqual(
      lines.map(({ seq }) => seq),
      lines.map((_, at) => at),
      'linear',
    );
    return lines.map(({ kind, step, instance }) =>
      [kind, step, instance].filter(Boolean).join(' '),
    );
  };
  return { service, control, records, a, b, c, journal };
}

/** Its app runs `code` first. */
function behaving(service: ServiceConfig, code: string): ServiceConfig {
  const [node = '', app, ...rest] = service.start;
  const script = `${code} await import(${JSON.stringify(app)});`;
  return { ...service, start: [node, '--input-type=module', '-e', script, '--', ...rest] };
}

test('a release writes its journal, its end and what runs where the gateways share it', async (t) => {
  const { service, records, a, b, journal } = await scene(t);
  const lines = await journal('r1');
  assert.deepEqual(lines.slice(0, 4), ['begin', 'plan', `intent guard ${a}`, `done guard ${a}`]);
  assert.equal(lines.at(-1), 'end');
  const { lock, releases } = await records.history('app');
  assert.equal(lock?.holder, null);
  assert.deepEqual(
    releases.map(({ release, outcome, exit, complete }) => [release, outcome, exit, complete]),
    [['r1', 'succeeded', 0, true]],
  );
  const { instances } = await records.instances('app');
  assert.deepEqual(
    instances.map(({ instance }) => instance),
    [a, b].sort(),
  );
  assert.equal((await pidOf(service, a)) === undefined, false);
});

test('a deploy from a machine that knows nothing finds what runs, and its numbers go on', async (t) => {
  const { service, control, a, b } = await scene(t);
  const pids = [await pidOf(service, a), await pidOf(service, b)];
  await rm(`${service.runDir}/app/releases`, { recursive: true });
  for (const id of [a, b]) await rm(`${service.runDir}/app/${id}.json`);
  const same = await deploy(service, control, 'v1');
  assert.deepEqual(outcomes(same), ['v1 in kept', 'v1 in kept']);
  assert.equal(same.result.release, 'r2');
  const next = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(next), ['v2 in released', 'v2 in released']);
  for (const pid of pids) assert(pid !== undefined && !isRunning(pid), 'the old one has ended');
});

test('each change of a server names the lock that it is made under', async (t) => {
  const { service, control } = await scene(t);
  const claims: unknown[] = [];
  const claim = control.claim;
  control.claim = (lock) => {
    claims.push(lock);
    return claim(lock);
  };
  control.calls.length = 0;
  const { result } = await deploy(service, control, 'v2');
  assert.equal(result.exit, 0);
  assert.deepEqual(
    claims,
    control.calls.map(() => ({ service: 'app', fence: 2 })),
  );
});

test('the value behind a reference is nowhere in the registry', async (t) => {
  const registry = new MemoryRegistry();
  const service = await buildService(t, 1, {
    env: { VERSION: '{version}', TOKEN: 'env:SLUICE_TEST_SHARED_SECRET' },
  });
  process.env['SLUICE_TEST_SHARED_SECRET'] = 'correct-horse-battery';
  t.after(() => delete process.env['SLUICE_TEST_SHARED_SECRET']);
  const control = new FakeControl(ids(service));
  shareRecords(t, control, registry);
  const { result } = await deploy(service, control, 'v1', { allowDowntime: true });
  assert.equal(result.exit, 0, result.reason);
  const all = registry
    .keys()
    .map((key) => registry.text(key))
    .join('\n');
  assert.match(all, /env:SLUICE_TEST_SHARED_SECRET/);
  assert.doesNotMatch(all, /correct-horse/);
});

test('a second runner is refused and told who has the service', async (t) => {
  const { service, control, a } = await scene(t);
  const second = { ...service, runDir: `${service.runDir}/elsewhere` };
  let refusal: Promise<unknown> | undefined;
  const begin = when(a, 'drain', 'done', () => {
    refusal = deploy(second, control, 'v3').catch((error: unknown) => error);
  });
  const { result } = await deploy(service, control, 'v2', begin);
  assert.equal(result.outcome, 'succeeded');
  assert.match(String(await refusal), /release r2 to v2 by .* \(pid \d+ on .*\) has been running/);
});

test('a runner that has lost its lock touches nothing more, and says so with exit 4', async (t) => {
  const { service, control, records, a, b } = await scene(t);
  const pid = await pidOf(service, a);
  const other = {
    ...({ kind: 'deploy' } as const),
    ...{ version: 'v9', upstream: 'app', user: 'bob', runner: 'pid 9 on ci-2' },
    ...{ ticket: '', why: '', of: '', resume: '', atLeast: 1, deadFence: 2 },
  } as const satisfies TakeRequest;
  let isTaken = false;
  const awaitIdle = control.awaitIdle.bind(control);
  control.awaitIdle = async (...asked) => {
    // As when this runner stands still for a while.
    if (!isTaken) await records.take('app', other);
    isTaken = true;
    return awaitIdle(...asked);
  };
  const { result } = await deploy(service, control, 'v2');
  assert.deepEqual([result.exit, result.code], [4, 'locked']);
  assert.match(result.reason, /the lock of this release is lost, release r3 by bob/);
  assert.equal(await pidOf(service, a), pid);
  assert.deepEqual(await Promise.all([a, b].map(versionOf)), ['v1', 'v1']);
  // What it drained is for the new one to take over; it may not put it back itself.
  assert.equal(control.server(a).state.state, 'drain');
  const { releases, lock } = await records.history('app');
  assert.deepEqual([lock?.holder?.release, releases[1]?.outcome], ['r3', '']);
});

test('a release is paused between two instances, and goes on when it is told', async (t) => {
  const { service: quiet, control, records, a, b } = await scene(t);
  const { url, heard } = await receiver(t);
  const webhook = { kind: 'webhook', url, secret: '' } as const;
  const notify = [{ ...webhook, on: ['paused'], timeoutMs: 5000 }] as const;
  const service = { ...quiet, notify };
  const ask = { owner: 'user:bob', why: 'lunch' };
  const tell = (command: 'pause' | 'resume') => records.command('app', { ...ask, command });
  const notes: string[] = [];
  let isPaused = false;
  const deployed = deploy(service, control, 'v2', {
    onEvent: (event) => {
      const isFirst = event.type === 'step' && event.instance === a && event.phase === 'start';
      if (isFirst && event.step === 'guard') void tell('pause');
      if (event.type !== 'note') return;
      notes.push(event.text);
      if (!event.text.startsWith('paused') || isPaused) return;
      isPaused = true;
      void Promise.all([a, b].map(versionOf)).then(async (versions) => {
        notes.push(versions.join());
        // Whoever looks sees that it stands still.
        while ((await records.history('app')).lock?.holder?.step !== 'pause') await delay(10);
        await tell('resume');
      });
    },
  });
  // The first instance may be quicker than the command: hold it.
  const { result } = await deployed;
  assert.equal(result.outcome, 'succeeded');
  const told = heard.map(({ headers }) => headers['x-sluice-event']);
  assert.deepEqual(told, ['paused']);
  assert.deepEqual(
    notes.filter((text) => /paused|resumed|v1/.test(text)),
    [
      'to be paused by user:bob: lunch',
      'paused by user:bob; go on with: sluice resume app',
      'v2,v1',
      'resumed by user:bob: lunch',
    ],
  );
  const { records: written, summary } = await records.journal('app', '');
  const pauses = written.filter(({ step }) => step === 'pause');
  assert.deepEqual(
    pauses.map(({ kind }) => kind),
    ['intent', 'done'],
  );
  const [said] = pauses;
  assert.deepEqual(said?.data, { by: 'user:bob', why: 'lunch' });
  // What a page of many releases shows without their journals.
  assert.deepEqual(summary.from, ['v1']);
  assert.deepEqual([summary.counted?.failed, summary.counted?.complete], [0, true]);
  const end = written.at(-1)?.data['instances'];
  assert(Array.isArray(end));
  assert.deepEqual(
    end.map(({ instance, version, outcome }) => [instance, version, outcome]),
    [a, b].map((id) => [id, 'v2', 'released']),
  );
});

test('an aborted release ends at the next safe point, with exit 1', async (t) => {
  const { service, control, a } = await scene(t);
  const interrupts = new Interrupts();
  const end = when(a, 'start', 'done', () =>
    interrupts.abort('aborted by user:bob: wrong one', false),
  );
  const deployed = await deploy(service, control, 'v2', { ...end, interrupts });
  const { outcome, exit, reason } = deployed.result;
  assert.deepEqual([outcome, exit, reason], ['aborted', 1, 'aborted by user:bob: wrong one']);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v1 in untouched']);
});

test('what was aborted is gone on with under its name, and does the rest', async (t) => {
  const { service, control, a, journal } = await scene(t);
  const interrupts = new Interrupts();
  const end = when(a, 'start', 'done', () => interrupts.abort('aborted by user:bob', false));
  await deploy(service, control, 'v2', { ...end, interrupts });
  const resumed = await deploy(service, control, 'v2', { resume: 'r2' });
  assert.deepEqual([resumed.result.release, resumed.result.exit], ['r2', 0]);
  assert.deepEqual(outcomes(resumed), ['v2 in kept', 'v2 in released']);
  const lines = await journal('r2');
  assert.deepEqual(
    lines.filter((line) => !line.includes(' ')),
    ['begin', 'plan', 'end', 'resume', 'plan', 'end'],
  );
});

test('aborted at once, the instance under way goes back', async (t) => {
  const { service, control, a } = await scene(t);
  const interrupts = new Interrupts();
  const end = when(a, 'check', 'start', () => interrupts.abort('aborted by user:bob', true));
  const deaf = behaving(
    service,
    "if (process.env.VERSION === 'v2') { setInterval(() => {}, 1e6); await new Promise(() => {}); }",
  );
  const deployed = await deploy(deaf, control, 'v2', { ...end, interrupts });
  assert.equal(deployed.result.exit, 1);
  assert.match(deployed.result.reason, /^aborted by user:bob, while it was checked$/);
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
});

test('with on_failure rollback all that were released go back, the newest first, with exit 6', async (t) => {
  const { service, control, a, b, c } = await scene(t, { onFailure: 'rollback' }, 3);
  control.calls.length = 0;
  control.eligibleMin = Number.POSITIVE_INFINITY;
  // The version is good on the first two alone.
  const isLast = `process.argv.includes('${c.split(':')[1]}')`;
  const picky = behaving(
    service,
    `if (process.env.VERSION === 'v2' && ${isLast}) process.exit(3);`,
  );
  const deployed = await deploy(picky, control, 'v2');
  const { outcome, exit, code } = deployed.result;
  assert.deepEqual(
    [outcome, exit, code],
    ['rolled_back', 6, 'rolled_back'],
    deployed.result.reason,
  );
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in reverted', 'v1 in reverted']);
  const drains = control.calls.filter((call) => call.endsWith(' drain'));
  assert.deepEqual(
    drains,
    [a, b, c, b, a].map((id) => `${id} drain`),
  );
  assert(control.eligibleMin >= 2);
});

test('a service that is stopped is drained first, and the next deploy starts it again', async (t) => {
  const { service, control, a, b, records } = await scene(t);
  const stopped = await deploy(service, control, '', { kind: 'stop', why: 'moving' });
  assert.equal(stopped.result.exit, 0, stopped.result.reason);
  assert.deepEqual(outcomes(stopped), ['- out stopped', '- out stopped']);
  assert.deepEqual(control.calls.slice(-2), [`${a} drain`, `${b} drain`]);
  assert.equal((await records.history('app')).releases[0]?.kind, 'stop');
  const again = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(again), ['v2 in released', 'v2 in released']);
});
