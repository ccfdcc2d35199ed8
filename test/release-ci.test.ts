// Releases in CI jobs: what a runner of GitHub reads, and jobs that are cancelled at any step.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ReleaseResult } from '../src/release.ts';
import { standStill } from './support/peers/stand-still.ts';
import { versionOf } from './support/release/builders.ts';
import { cancelledDeploy, slownessOf, startJob } from './support/release/cancelled-job.ts';
import { type ReleaseStack, startReleaseStack } from './support/release/stack.ts';

test('deploy in a job of GitHub', async (t: TestContext) => {
  const service = '    env: { VERSION: "{version}", PASSWORD: "env:APP_PASSWORD" }\n';
  const it = await startReleaseStack(t, { service });
  const [output, page, report] = ['output', 'summary.md', 'deploy.env'].map((name) =>
    join(it.stack.folder, name),
  );
  assert(output !== undefined && page !== undefined && report !== undefined);
  const env = {
    ...{ GITHUB_ACTIONS: 'true', GITHUB_OUTPUT: output, GITHUB_STEP_SUMMARY: page },
    APP_PASSWORD: 'hunter2%\nsecond line',
  };
  const job = (...argv: string[]): ReturnType<typeof startJob>['ended'] =>
    startJob(it, ['deploy', 'app', ...argv, '--dotenv', report], env).ended;

  await t.test('one that succeeds: masks first, a group per instance, outputs', async () => {
    const { code, stdout } = await job('--version', 'v1');
    assert.equal(code, 0, stdout);
    const lines = stdout.split('\n');
    const first = lines.findIndex((line) => !line.startsWith('::add-mask::'));
    assert(first > 0, 'no masks');
    assert(lines.slice(0, first).includes('::add-mask::hunter2%25%0Asecond line'));
    assert(!lines.slice(first).some((line) => line.startsWith('::add-mask::')));
    assert.equal(lines.filter((line) => line.startsWith('::group::')).length, 2);
    assert.equal(lines.filter((line) => line === '::endgroup::').length, 2);
    assert(!lines.some((line) => line.startsWith('::error')));
    assert.match(await readFile(output, 'utf8'), /^outcome<<(\S+)\nsucceeded\n\1$/m);
    assert.match(await readFile(page, 'utf8'), /^### ✅ Release r1 of app to v1 SUCCEEDED/);
    assert.match(await readFile(report, 'utf8'), /^SLUICE_OUTCOME=succeeded\nSLUICE_EXIT=0\n/m);
  });

  await t.test(
    'one that fails: exactly one error, and the same in outputs and summary',
    async () => {
      const { code, stdout } = await job('--version', 'liar');
      assert.equal(code, 1, stdout);
      assert.equal(stdout.match(/^::error title=Release r2 of app to liar FAILED/gm)?.length, 1);
      assert.equal(stdout.match(/^::error/gm)?.length, 1);
      assert.match(await readFile(output, 'utf8'), /^outcome<<(\S+)\nfailed\n\1$/m);
      assert.match(await readFile(page, 'utf8'), /^### ❌ Release r2 of app to liar FAILED/m);
    },
  );

  await t.test('one that cannot begin: exactly one error, too', async () => {
    const argv = ['deploy', 'web', '--version', 'v2', '--dotenv', report];
    const { code, stdout } = await startJob(it, argv, env).ended;
    assert.equal(code, 2);
    assert.equal(stdout.match(/^::error/gm)?.length, 1);
    assert.match(stdout, /^::error title=sluice deploy::service "web": not in /m);
    assert.match(await readFile(report, 'utf8'), /^SLUICE_OUTCOME=error$/m);
  });

  await t.test('what is asked for counts more than where it runs, and not twice', async () => {
    const { stdout } = await job('--version', 'v1', '--output', 'json');
    assert.equal(JSON.parse(stdout.split('\n', 1)[0] ?? '').type, 'plan');
    const both = await job('--version', 'v1', '--output', 'plain', '--json');
    assert.equal(both.code, 2);
    assert.match(both.stderr, /cannot be used with/);
  });

  await t.test('secrets are not printed where no runner reads them', async () => {
    const { stdout } = await startJob(
      it,
      ['deploy', 'app', '--version', 'v1', '--output', 'github'],
      { APP_PASSWORD: env.APP_PASSWORD },
    ).ended;
    assert.doesNotMatch(stdout, /hunter2/);
  });
});

const STEPS = ['guard', 'drain', 'stop', 'start', 'check', 'admit'] as const;

test('a job that is cancelled leaves what its last line says, and the next deploy finishes it', async (t) => {
  const it = await startReleaseStack(t);
  const [a = ''] = it.instances;
  const startMs = performance.now();
  const first = await it.stack.cli(['deploy', 'app', '--version', 'v0']);
  assert.equal(first.code, 0, first.text);
  const slowness = slownessOf(performance.now() - startMs);

  for (const [index, step] of STEPS.entries()) {
    await t.test(`cancelled when ${step} begins`, async () => {
      const version = `v${index + 1}`;
      const { job, result } = await cancelledDeploy(
        it,
        version,
        slowness,
        (event) =>
          event.type === 'step' &&
          event.instance === a &&
          event.step === step &&
          event.phase === 'start',
      );
      assert.equal(job.code, 130, job.stderr);
      assert(result !== null);
      const [one, other] = result.instances.map(({ outcome }) => outcome);
      // A short step may be over when the signal comes; behind the stop there is only one way.
      const isOpen = index < STEPS.indexOf('stop');
      assert(one === 'released' || (isOpen && one === 'untouched'), one);
      assert.equal(other, 'untouched');
      await assertTrue(it, result);
      await assertFinished(it, version);
    });
  }

  await t.test(
    'cancelled while the new version never answers: it is stopped by the TERM',
    async () => {
      const { job, result } = await cancelledDeploy(
        it,
        'never',
        slowness,
        (event) => event.type === 'step' && event.step === 'check' && event.phase === 'start',
      );
      // The 2.5 s until the KILL are enough to say what is left.
      assert.deepEqual([job.code, job.signal], [130, null], job.stderr);
      assert.equal(result?.instances[0]?.outcome, 'stuck');
      assert(result !== null);
      await assertTrue(it, result);
      await assertFinished(it, 'v8');
    },
  );

  await t.test(
    'cancelled while the gateway is frozen: what is left is said all the same',
    async () => {
      const { job, release, result } = await cancelledDeploy(it, 'v9', slowness, (event) => {
        const isIt = event.type === 'step' && event.step === 'drain' && event.phase === 'start';
        if (isIt) standStill(it.stack.pid);
        return isIt;
      });
      process.kill(it.stack.pid, 'SIGCONT');
      const records = (await readFile(it.journal(release), 'utf8')).trimEnd().split('\n');
      const last: { kind: string } = JSON.parse(records.at(-1) ?? '{}');
      // The gateway never answers, and still the last line comes before the KILL.
      assert.deepEqual([job.code, job.signal], [130, null], job.stderr);
      assert.equal(last.kind, 'end');
      assert.deepEqual(
        result?.instances.map(({ version, pool, outcome }) => [version, pool, outcome]),
        [
          ['v8', 'pool not known', 'stuck'],
          ['v8', 'pool not known', 'untouched'],
        ],
      );
      assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v8', 'v8']);
      await assertFinished(it, 'v9');
    },
  );
});

/** What the result says of each instance is what is there, also as the gateway sees it. */
async function assertTrue({ stack }: ReleaseStack, result: ReleaseResult): Promise<void> {
  const [upstream] = (await stack.status()).upstreams;
  for (const { instance, version, inPool } of result.instances) {
    const answers = await versionOf(instance);
    // One that does not answer yet is named by what was started.
    assert.equal(answers, answers === '' && !inPool ? '' : version, `${instance}: version`);
    const server = upstream?.servers.find(({ id }) => id === instance);
    assert.equal(server?.eligibility === 'ok', inPool, `${instance}: in the pool`);
  }
}

async function assertFinished(it: ReleaseStack, version: string): Promise<void> {
  const again = await it.stack.cli(['deploy', 'app', '--version', version]);
  assert.equal(again.code, 0, again.text);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), [version, version]);
  const [upstream] = (await it.stack.status()).upstreams;
  assert.deepEqual(
    upstream?.servers.map(({ eligibility }) => eligibility),
    ['ok', 'ok'],
  );
}
