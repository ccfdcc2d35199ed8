// Releases that wait for a person.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  buildService,
  deploy,
  FakeControl,
  firstOf,
  ids,
  NO_HOOKS,
  outcomes,
  pidOf,
  versionOf,
} from '../../../test/support/release/builders.ts';
import { receiver } from '../../../test/support/release/receiver.ts';
import { shareRecords } from '../../../test/support/release/shared-records.ts';
import type { CommandKind } from '../../admin/contract.ts';
import type { ApprovalPoint, ServiceConfig } from '../../config.ts';
import { driverOf } from '../drivers.ts';
import type { ReleaseEvent } from '../events.ts';
import { readRecord, writeRecord } from '../journal/instance-record.ts';
import { Interrupts } from '../wait.ts';

type Approval = Extract<ReleaseEvent, { type: 'approval' }>;

/** Two instances at v1, which asks before these points from then on. */
async function scene(
  t: TestContext,
  before: readonly ApprovalPoint[],
  part: Partial<ServiceConfig> = {},
) {
  const quiet = await buildService(t, 2);
  const [a = '', b = ''] = ids(quiet);
  const control = new FakeControl([a, b]);
  const records = shareRecords(t, control);
  const { result } = await deploy(quiet, control, 'v1');
  assert.equal(result.outcome, 'succeeded', JSON.stringify(result));
  control.calls.length = 0;
  const service = { ...quiet, approve: { before, timeoutMs: 60_000 }, ...part };
  const tell = (command: CommandKind, release = ''): Promise<string> =>
    records.command('app', { owner: 'user:bob', why: 'looks good', command, release });
  const journal = async (release: string): Promise<readonly string[]> => {
    const { records: lines } = await records.journal('app', release);
    return lines.flatMap(({ kind, step, data }) =>
      step === 'approval' ? [`${kind} ${data['before']} ${data['by'] ?? data['code'] ?? ''}`] : [],
    );
  };
  return { service, control, records, a, b, tell, journal };
}

/** An onEvent that acts each time that the release begins to wait; `said` has what came of it. */
function waiting(act: (event: Approval) => Promise<unknown> | undefined) {
  const said: string[] = [];
  const troubles: unknown[] = [];
  const onEvent = (event: ReleaseEvent): void => {
    if (event.type !== 'approval') return;
    const { before, phase, by, why, reason } = event;
    said.push([before, phase, by, why, reason].filter(Boolean).join(' '));
    if (phase === 'wait') act(event)?.catch((error: unknown) => troubles.push(error));
  };
  return { onEvent, said, troubles };
}

test('it waits before the rest until somebody says yes; nothing is drained meanwhile', async (t) => {
  const { url, heard } = await receiver(t);
  const webhook = { kind: 'webhook', url, secret: '' } as const;
  const notify = [{ ...webhook, on: ['approval'], timeoutMs: 5000 }] as const;
  const { service, control, records, a, b, tell, journal } = await scene(t, ['rest'], { notify });
  const seen: unknown[] = [];
  const asked = waiting(async () => {
    const { lock } = await records.history('app');
    seen.push(await Promise.all([a, b].map(versionOf)), control.server(b).state.state);
    const { before, sinceMs, untilMs } = lock?.holder?.waits ?? {};
    seen.push([lock?.holder?.step, before, Number(untilMs) - Number(sinceMs) <= 60_000]);
    await assert.rejects(tell('approve', 'r1'), { code: 'conflict', message: /r2 .* not r1/ });
    assert.equal(await tell('approve', 'r2'), 'r2');
  });
  const { result } = await deploy(service, control, 'v2', { onEvent: asked.onEvent });
  assert.deepEqual([result.outcome, asked.troubles], ['succeeded', []], result.reason);
  assert.deepEqual(seen, [['v2', 'v1'], 'ready', ['approval', 'rest', true]]);
  assert.deepEqual(asked.said, ['rest wait', 'rest given user:bob looks good']);
  assert.deepEqual(await journal('r2'), ['intent rest ', 'done rest user:bob']);
  const told = heard.map(({ text }) => JSON.parse(text));
  assert.deepEqual(
    told.map(({ event, approval }) => [event, approval.before]),
    [['approval', 'rest']],
  );
});

test('aborted before the first instance, nothing was touched and no hook has run; a resume asks again', async (t) => {
  const beforeRelease = { on: 'local', command: 'exit 3', timeoutMs: 60_000 } as const;
  const { service, control, tell, journal } = await scene(t, ['first'], {
    hooks: { ...NO_HOOKS, beforeRelease },
  });
  const asked = waiting(() => tell('abort'));
  const aborted = await deploy(service, control, 'v2', { onEvent: asked.onEvent });
  const { outcome, exit, reason } = aborted.result;
  assert.deepEqual([outcome, exit, asked.troubles], ['aborted', 1, []]);
  assert.equal(reason, 'aborted by user:bob: looks good, while it waited for approval');
  assert.deepEqual(asked.said, ['first wait', `first missing ${reason}`]);
  assert.deepEqual(outcomes(aborted), ['v1 in untouched', 'v1 in untouched']);
  assert.deepEqual(control.calls, []);
  const again = waiting(() => tell('approve'));
  const resumed = await deploy({ ...service, hooks: NO_HOOKS }, control, 'v2', {
    ...{ resume: 'r2', onEvent: again.onEvent },
  });
  assert.equal(resumed.result.outcome, 'succeeded', resumed.result.reason);
  assert.deepEqual(await journal('r2'), [
    ...['intent first ', 'failed first interrupted'],
    ...['intent first ', 'done first user:bob'],
  ]);
});

test('what was approved is not asked for again by a resume', async (t) => {
  const { service, control, a, tell } = await scene(t, ['first', 'rest']);
  const interrupts = new Interrupts();
  const asked = waiting(({ before }) => tell(before === 'first' ? 'approve' : 'abort'));
  const part = { interrupts, onEvent: asked.onEvent };
  const aborted = await deploy(service, control, 'v2', part);
  assert.deepEqual(outcomes(aborted), ['v2 in released', 'v1 in untouched']);
  const again = waiting(() => tell('approve'));
  const resumed = await deploy(service, control, 'v2', { resume: 'r2', onEvent: again.onEvent });
  assert.deepEqual(outcomes(resumed), ['v2 in kept', 'v2 in released']);
  assert.deepEqual(again.said, ['rest wait', 'rest given user:bob looks good']);
  assert.equal(await versionOf(a), 'v2');
});

test('nobody approves it in time: it ends with exit 8, and what is done stays', async (t) => {
  const { service, control } = await scene(t, ['rest'], {
    approve: { before: ['rest'], timeoutMs: 50 },
    onFailure: 'rollback',
  });
  const ended = await deploy(service, control, 'v2');
  const { outcome, exit, code, reason, next } = ended.result;
  assert.deepEqual([outcome, exit, code], ['interrupted', 8, 'not_approved']);
  assert.equal(reason, 'not approved within 50ms, before the rest of the instances');
  assert.match(next.join('\n'), /sluice resume app/);
  assert.deepEqual(outcomes(ended), ['v2 in released', 'v1 in untouched']);
});

test('a signal ends it while it waits', async (t) => {
  const { service, control } = await scene(t, ['first']);
  const interrupts = new Interrupts();
  const asked = waiting(async () => interrupts.raise('SIGINT'));
  const part = { interrupts, onEvent: asked.onEvent };
  const ended = await deploy(service, control, 'v2', part);
  assert.deepEqual([ended.result.outcome, ended.result.exit], ['interrupted', 130]);
  assert.deepEqual(outcomes(ended), ['v1 in untouched', 'v1 in untouched']);
});

test('a version that has died meanwhile is not approved, but taken back', async (t) => {
  const { service, control, a, tell } = await scene(t, ['rest']);
  const asked = waiting(async () => {
    const pid = await pidOf(service, a);
    process.kill(-Number(pid), 'SIGKILL');
    while ((await versionOf(a)) !== '') await new Promise((resolve) => setTimeout(resolve, 5));
    await tell('approve');
  });
  const ended = await deploy(service, control, 'v2', { onEvent: asked.onEvent });
  assert.deepEqual([ended.result.exit, asked.troubles], [1, []]);
  assert.match(ended.result.reason, /its process .* after it had been released/);
  assert.match(asked.said.join(), /^rest wait,rest missing .*: its process /);
  assert.deepEqual(outcomes(ended), ['v1 in reverted', 'v1 in untouched']);
});

test('an old process that its keeper has started again while it waited is the one that is stopped', async (t) => {
  const { service, control, b, tell } = await scene(t, ['rest']);
  const asked = waiting(async () => {
    const instance = service.instances.find(({ id }) => id === b) ?? firstOf(service);
    const driver = driverOf(service, instance);
    const record = await readRecord(service, b, driver);
    assert(record.process !== null);
    process.kill(-Number(await pidOf(service, b)), 'SIGKILL');
    while ((await driver.find(record.process)) !== null)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const { launch, release } = record.process;
    await writeRecord(service, b, { ...record, process: await driver.start(launch, release) });
    while ((await versionOf(b)) !== 'v1') await new Promise((resolve) => setTimeout(resolve, 5));
    await tell('approve');
  });
  const ended = await deploy(service, control, 'v2', { onEvent: asked.onEvent });
  assert.deepEqual([ended.result.reason, asked.troubles], ['', []]);
  assert.deepEqual(outcomes(ended), ['v2 in released', 'v2 in released']);
});

test('it is asked for where it waits alone, and once', async (t) => {
  const { service, control, a, tell } = await scene(t, ['rest']);
  await assert.rejects(tell('approve'), { code: 'not_found', message: /no release runs/ });
  let early: Promise<unknown> | undefined;
  const asked = waiting(async () => {
    const both = await Promise.allSettled([tell('approve'), tell('approve')]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });
  const { result } = await deploy(service, control, 'v2', {
    onEvent: (event) => {
      asked.onEvent(event);
      const isFirst = event.type === 'step' && event.instance === a && event.phase === 'start';
      if (!isFirst || event.step !== 'drain') return;
      early = tell('approve').catch((error: unknown) => error);
    },
  });
  assert.match(String(await early), /release r2 of "app" does not wait for an approval/);
  assert.deepEqual([result.outcome, asked.troubles], ['succeeded', []], result.reason);
});

test('a runner that loses its lock while it waits does nothing more', async (t) => {
  const { service, control, records } = await scene(t, ['first']);
  const other = {
    ...({ kind: 'deploy' } as const),
    ...{ version: 'v9', upstream: 'app', user: 'bob', runner: 'pid 9 on ci-2' },
    ...{ ticket: '', why: '', of: '', resume: '', atLeast: 1, deadFence: 2 },
  };
  const asked = waiting(() => records.take('app', other));
  const { result } = await deploy(service, control, 'v2', { onEvent: asked.onEvent });
  assert.deepEqual([result.exit, result.code, asked.troubles], [4, 'locked', []]);
  assert.deepEqual(control.calls, []);
});

test('where nobody could approve it, it is refused before anything is done', async (t) => {
  const { service } = await scene(t, ['first']);
  const alone = new FakeControl(ids(service));
  const { result } = await deploy(service, alone, 'v2');
  assert.deepEqual([result.outcome, result.exit], ['refused', 3]);
  assert.match(result.reason, /nobody could approve it/);
});
