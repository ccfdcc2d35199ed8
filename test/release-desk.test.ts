// Releases started and watched by the control API, as a page does it: with the real program, which starts itself.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  OutputDocument,
  ReleaseJournal,
  ReleaseOverview,
  ReleasePlanDocument,
  RunDocument,
} from '../src/admin.ts';
import { isRunning } from './support/base/process-facts.ts';
import { until } from './support/base/until.ts';
import { versionOf } from './support/release/builders.ts';
import { type ReleaseStack, startDeploy, startReleaseStack } from './support/release/stack.ts';

const TOKENS =
  ', start_releases: on, tokens: { ann: { role: release, secret: secret-of-ann-1 }, bob: { role: operate, secret: secret-of-bob-1 } }';
const ON = ', start_releases: on';
/** Longer than any of it should take. */
const DEADLINE_MS = 60_000;

type Answer<Document> = Document & {
  readonly error?: { readonly code: string; readonly message: string };
};

/** What it answers; the status beside it. */
async function call<Document>(
  { stack }: ReleaseStack,
  path: string,
  asked: { readonly body?: unknown; readonly token?: string } = {},
): Promise<{ readonly status: number; readonly answer: Answer<Document> }> {
  const { body, token } = asked;
  const response = await fetch(`http://127.0.0.1:${stack.ports.admin}/api/releases${path}`, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
  });
  // A document of our own control API, of the same version: taken as it is.
  const answer = (await response.json()) as Answer<Document>;
  return { status: response.status, answer };
}

async function ended(it: ReleaseStack, token?: string): Promise<RunDocument> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const { answer } = await call<RunDocument>(
      it,
      '/app/run',
      token === undefined ? {} : { token },
    );
    if (answer.state === 'ended') return answer;
    assert(performance.now() < deadlineMs, JSON.stringify(answer));
    await delay(50);
  }
}

/** Through the journal, which says it whoever started the release. */
async function outcome(it: ReleaseStack, release: string): Promise<ReleaseJournal['summary']> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const { answer } = await call<ReleaseJournal>(it, `/app/journals/${release}`);
    if (answer.summary?.outcome !== '' && answer.summary !== undefined) return answer.summary;
    assert(performance.now() < deadlineMs, JSON.stringify(answer).slice(0, 2000));
    await delay(50);
  }
}

async function paused(it: ReleaseStack): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const { answer } = await call<ReleaseOverview>(it, '');
    if (answer.services[0]?.lock?.holder?.step === 'pause') return;
    assert(performance.now() < deadlineMs, JSON.stringify(answer));
    await delay(50);
  }
}

test('a deploy is started for whoever has the role, by name, and a second one is refused', async (t) => {
  const it = await startReleaseStack(t, { admin: TOKENS });
  const [a = ''] = it.instances;
  const token = 'secret-of-ann-1';
  const body = { kind: 'deploy', version: 'v1', why: 'first of all' };
  const refused = await call(it, '/app/start', { body, token: 'secret-of-bob-1' });
  assert.equal(refused.status, 403);

  const plan = await call<ReleasePlanDocument>(it, '/app/plan?version=v1', { token });
  assert.equal(plan.status, 200, JSON.stringify(plan.answer));
  assert.equal(plan.answer.exit, 0);
  assert.equal(plan.answer.plan['version'], 'v1');
  assert.equal(plan.answer.cli, 'sluice plan app --version v1');

  const both = await Promise.all(
    [1, 2].map(() => call<RunDocument>(it, '/app/start', { body, token })),
  );
  assert.deepEqual(both.map(({ status }) => status).toSorted(), [202, 409], JSON.stringify(both));
  const begun = both.find(({ status }) => status === 202)?.answer;
  const second = both.find(({ status }) => status === 409)?.answer;
  assert.equal(second?.error?.code, 'locked');
  assert.match(second?.error?.message ?? '', /a deploy by ann was started here .* ago/);
  assert.deepEqual([begun?.release, begun?.by, begun?.state], ['r1', 'ann', 'running']);
  const run = await ended(it, token);
  assert.deepEqual([run.release, run.exit], ['r1', 0], run.lines.join('\n'));
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v1', 'v1']);
  const text = await readFile(run.file, 'utf8');
  assert.match(text, /Release r1 of app to v1 SUCCEEDED/);
  assert(!text.includes(token));

  const { answer } = await call<ReleaseOverview>(it, '?last=1', { token });
  const [newest] = answer.releases;
  assert.deepEqual(
    [newest?.service, newest?.summary.user, newest?.summary.why, newest?.summary.outcome],
    ['app', 'ann', 'first of all', 'succeeded'],
  );
  assert.deepEqual(
    [answer.mayStart, answer.more, answer.services[0]?.needsVersion],
    [true, false, true],
  );

  const events = await it.stack.cli(['events', '--json']);
  assert.match(events.text, /"action": "startRelease"/);
  const output = await call<OutputDocument>(
    it,
    `/app/instances/${encodeURIComponent(a)}/output?last=5`,
    { token: 'secret-of-bob-1' },
  );
  assert.equal(output.status, 200, JSON.stringify(output.answer));
  assert.match(output.answer.lines.join('\n'), /app v1 listens on/);
  const unknown = await call(it, '/app/instances/nobody:1/output', { token });
  assert.deepEqual([unknown.status, unknown.answer.error?.code], [404, 'not_found']);
});

test('what is refused is refused in the words of the program, and begins nothing', async (t) => {
  const it = await startReleaseStack(t, { admin: ON });
  const back = await call(it, '/app/start', { body: { kind: 'rollback', why: 'slow' } });
  assert.equal(back.status, 409);
  assert.equal(back.answer.error?.code, 'preflight_failed');
  assert.match(back.answer.error?.message ?? '', /nothing to go back to: no release is known/);
  const nothing = await call(it, '/app/start', { body: { kind: 'deploy' } });
  assert.deepEqual([nothing.status, nothing.answer.error?.code], [409, 'conflict']);
  for (const body of [
    { kind: 'deploy', version: '../v1' },
    { kind: 'deploy', version: '--config' },
    { kind: 'rollback', version: 'v1' },
    { kind: 'stop' },
    { kind: 'resume', version: 'v1' },
    { kind: 'deploy', version: 'v1', why: 'a\0b' },
  ]) {
    const { status, answer } = await call(it, '/app/start', { body });
    assert.deepEqual([status, answer.error?.code], [400, 'usage'], JSON.stringify(body));
  }
  const stranger = await call(it, '/other/start', { body: { kind: 'deploy', version: 'v1' } });
  assert.deepEqual([stranger.status, stranger.answer.error?.code], [404, 'not_found']);
  const plan = await call(it, '/app/plan?kind=rollback');
  assert.equal(plan.answer.error?.code, 'preflight_failed');
  const { answer } = await call<ReleaseOverview>(it, '');
  assert.deepEqual(answer.releases, []);
});

test('unless the configuration says so nothing is started, and the sentence has the line for a shell', async (t) => {
  const it = await startReleaseStack(t);
  for (const { status, answer } of [
    await call(it, '/app/start', { body: { kind: 'deploy', version: 'v1', why: "it's time" } }),
    await call(it, '/app/plan?version=v1'),
    await call(it, `/app/instances/${it.instances[0]}/output`),
  ]) {
    assert.deepEqual([status, answer.error?.code], [403, 'forbidden']);
    assert.match(
      answer.error?.message ?? '',
      /start_releases: on.*: sluice (deploy|plan|logs) app /,
    );
  }
  const { answer } = await call<ReleaseOverview>(it, '');
  assert.equal(answer.mayStart, false);
  assert.match(answer.whyNot, /start_releases/);
  assert.deepEqual(
    answer.services.map(({ service, instances }) => [service, instances]),
    [['app', it.instances]],
  );
});

test('a release that was started goes on when its gateway ends, and the new one shows it', async (t) => {
  const it = await startReleaseStack(t, { admin: ON });
  const first = await it.stack.cli(['deploy', 'app', '--version', 'v1']);
  assert.equal(first.code, 0, first.text);
  const body = { kind: 'deploy', version: 'late' };
  const started = await call<RunDocument>(it, '/app/start', { body });
  assert.equal(started.status, 202, JSON.stringify(started.answer));
  const { pid, release } = started.answer;
  it.cleanup.add(async () => {
    if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  });
  // So that it surely runs while the gateway is away.
  const tell = (command: string) =>
    call(it, '/app/command', { body: { command, owner: 'user:bob', why: '' } });
  assert.equal((await tell('pause')).status, 200);
  await paused(it);
  await it.stack.restart(it.cleanup);
  assert(isRunning(pid), 'the runner ended with its gateway');
  assert.equal((await tell('resume')).status, 200);
  const { outcome: how, from } = await outcome(it, release);
  assert.deepEqual([how, from], ['succeeded', ['v1']]);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['late', 'late']);
  const { answer } = await call<RunDocument>(it, '/app/run');
  assert.equal(answer.state, 'none');
  const back = { kind: 'rollback', why: 'too late' };
  const plan = await call<ReleasePlanDocument>(it, '/app/plan?kind=rollback');
  assert.equal(plan.answer.plan['version'], 'v1', JSON.stringify(plan.answer));
  const gone = await call<RunDocument>(it, '/app/start', { body: back });
  assert.equal(gone.status, 202, JSON.stringify(gone.answer));
  const undone = await outcome(it, gone.answer.release);
  assert.deepEqual([undone.kind, undone.of, undone.outcome], ['rollback', release, 'succeeded']);
  // It says so after the journal does.
  const log = join(it.stack.folder, 'state/runs/app.log');
  await until(async () => /Rollback r3/.test(await readFile(log, 'utf8')));
});

test('what was aborted from the page is resumed from it, and is not begun while somebody else releases', async (t) => {
  const it = await startReleaseStack(t, { admin: ON });
  const first = await it.stack.cli(['deploy', 'app', '--version', 'v1']);
  assert.equal(first.code, 0, first.text);
  const tell = (command: string) =>
    call(it, '/app/command', { body: { command, owner: 'user:bob', why: 'wait' } });
  const other = startDeploy(it, 'late');
  const deadlineMs = performance.now() + DEADLINE_MS;
  while ((await tell('pause')).status !== 200) {
    assert(performance.now() < deadlineMs, other.tail());
    await delay(20);
  }
  await paused(it);
  const locked = await call(it, '/app/start', { body: { kind: 'deploy', version: 'v3' } });
  assert.deepEqual([locked.status, locked.answer.error?.code], [409, 'locked']);
  assert.match(locked.answer.error?.message ?? '', /release r2 to late by .* in pause/);
  assert.equal((await tell('abort')).status, 200);
  assert.equal(await other.exited, 1, other.tail());
  assert.equal((await outcome(it, 'r2')).outcome, 'aborted');
  const resumed = await call<RunDocument>(it, '/app/start', { body: { kind: 'resume' } });
  assert.deepEqual([resumed.status, resumed.answer.release], [202, 'r2']);
  assert.equal((await ended(it)).exit, 0);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['late', 'late']);
  const nothing = await call(it, '/app/start', { body: { kind: 'resume' } });
  assert.match(nothing.answer.error?.message ?? '', /r2 has ended \(succeeded\); nothing is to be/);
});
