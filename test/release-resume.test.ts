// A release whose runner is killed is gone on with by `sluice resume`, from a folder that knows nothing of
// it; what it only drained goes back into traffic by itself; and the verbs that look at releases and undo them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startLoad } from '../demo/load.ts';
import { versionOf } from './support/release/builders.ts';
import { type ReleaseStack, startDeploy, startReleaseStack } from './support/release/stack.ts';

/** Records of one instance: begin and plan before it, six steps with intent and done. */
const FIRST = 2;
const STEPS = 6;

async function stackAt(t: TestContext, version: string): Promise<ReleaseStack> {
  const it = await startReleaseStack(t);
  const first = await it.stack.cli(['deploy', 'app', '--version', version]);
  assert.equal(first.code, 0, first.text);
  return it;
}

async function killAfter(it: ReleaseStack, version: string, name: string, count: number) {
  const runner = startDeploy(it, version);
  let isOver = false;
  void runner.exited.then(() => {
    isOver = true;
  });
  const lines = async (): Promise<number> =>
    (await readFile(it.journal(name), 'utf8').catch(() => '')).split('\n').length - 1;
  while ((await lines()) < count && !isOver) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await runner.stop('SIGKILL');
  assert((await lines()) >= count, runner.tail());
}

/** As on another machine: no configuration there, no journal, no records of instances. */
async function elsewhere(it: ReleaseStack, argv: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-elsewhere-'));
  it.cleanup.add(() => rm(folder, { recursive: true, force: true }));
  const control = `127.0.0.1:${it.stack.ports.admin}`;
  const program = join(import.meta.dirname, '..', 'bin/sluice.js');
  const child = spawn(process.execPath, [program, ...argv, '--control', control], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  }
  const [code] = await once(child, 'close');
  return { code: Number(code), text: Buffer.concat(chunks).toString() };
}

async function poolOf({ stack }: ReleaseStack): Promise<readonly string[]> {
  const [upstream] = (await stack.status()).upstreams;
  return (upstream?.servers ?? []).map(({ admin, eligibility }) => `${admin.state} ${eligibility}`);
}

test('a release whose runner is killed after a record is resumed, its journal linear', async (t) => {
  const it = await stackAt(t, 'v0');
  const load = startLoad({ host: '127.0.0.1', port: it.stack.ports.gateway, rate: 40 });
  it.cleanup.add(() => load.stop());
  let number = 1;
  for (let count = FIRST + 1; count <= FIRST + 2 * STEPS; count += 1) {
    number += 1;
    const [version, release] = [`v${number}`, `r${number}`];
    await t.test(`killed after record ${count}`, async () => {
      await killAfter(it, version, release, count);
      const resumed = await it.stack.cli(['resume', 'app']);
      assert.equal(resumed.code, 0, resumed.text);
      assert.deepEqual(await Promise.all(it.instances.map(versionOf)), [version, version]);
      assert.deepEqual(await poolOf(it), ['ready ok', 'ready ok']);
      const shown = await it.stack.cli(['show', 'app', release, '--json']);
      const { records }: { records: { seq: number; kind: string }[] } = JSON.parse(shown.text);
      assert.deepEqual(
        records.map(({ seq }) => seq),
        records.map((_, at) => at),
      );
      assert.equal(records.filter(({ kind }) => kind === 'resume').length, 1);
      assert.equal(records.at(-1)?.kind, 'end');
      assert.deepEqual(load.summary().failures, []);
    });
  }
  assert.equal((await load.stop()).failed, 0);
});

test('what a dead runner only drained goes back by itself, and another machine goes on', async (t) => {
  const it = await stackAt(t, 'v1');
  // begin, plan, guard twice, the intent of drain.
  await killAfter(it, 'v2', 'r2', FIRST + 3);
  assert.equal((await poolOf(it)).filter((text) => text === 'drain drain').length, 1);
  const refused = await elsewhere(it, ['resume', 'app']);
  assert.match(refused.text, /release r2 of app runs|told to go on/);
  const deadlineMs = performance.now() + 60_000;
  while ((await poolOf(it)).some((text) => text !== 'ready ok')) {
    assert(performance.now() < deadlineMs, 'not given back');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const events = await it.stack.cli(['events']);
  assert.match(events.text, /giveBack/);
  const history = await elsewhere(it, ['history', 'app']);
  assert.match(history.text, /r2 +v2 +died in drain of /);
  const resumed = await elsewhere(it, ['resume', 'app']);
  assert.equal(resumed.code, 0, resumed.text);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v2', 'v2']);
});

test('history, show, logs, rollback and stop', async (t) => {
  const it = await stackAt(t, 'v1');
  const run = async (argv: readonly string[], code = 0): Promise<string> => {
    const ended = await it.stack.cli(argv);
    assert.equal(ended.code, code, ended.text);
    return ended.text;
  };
  await run(['deploy', 'app', '--version', 'v2']);
  assert.match(await run(['logs', 'app', it.instances[0] ?? '']), /app v2 listens on/);
  const back = await run(['rollback', 'app', '-m', 'checkout fails']);
  assert.match(back, /Rollback r3 of app to v1 SUCCEEDED/);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v1', 'v1']);
  assert.match(await run(['rollback', 'app', '-m', 'more'], 3), /nothing to go back to/);
  const history = await run(['history', 'app']);
  assert.match(history, /r3 +v1 +succeeded .* rollback of r2 by .*: checkout fails/);
  assert.match(await run(['show', 'app', 'r3']), /^r3 of app to v1: succeeded, rollback of r2 by /);
  assert.match(await run(['show', 'app', 'r99'], 2), /no release r99; the newest: r3, r2, r1/);
  assert.match(await run(['stop', 'app'], 2), /add --yes/);
  assert.match(await run(['stop', 'app', '--yes']), /Stop r4 of app SUCCEEDED/);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['', '']);
  assert.match(await run(['resume', 'app'], 1), /r4 has ended \(succeeded\)/);
  await run(['deploy', 'app', '--version', 'v3']);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v3', 'v3']);
});
