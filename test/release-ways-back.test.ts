// What becomes of a release whose runner is gone or stood still, on another machine too; and the verbs that
// look at releases and undo them.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { versionOf } from './support/release/builders.ts';
import { elsewhere, FIRST, killAfter, poolOf, stackAt } from './support/release/killed.ts';
import { startDeploy } from './support/release/stack.ts';

test('what a dead runner only drained goes back by itself, and another machine goes on', async (t) => {
  const it = await stackAt(t, 'v1');
  // begin, plan, guard twice, the intent of drain.
  await killAfter(it, 'v2', 'r2', FIRST + 3);
  assert.equal((await poolOf(it)).filter((text) => text === 'drain drain').length, 1);
  // Nobody hears it, and what is said to the dead does not keep them alive.
  const told = await elsewhere(it, ['pause', 'app']);
  assert.equal(told.code, 1, told.text);
  assert.match(told.text, /release r2 has no runner any more .*go on with: sluice resume app/);
  const deadlineMs = performance.now() + 60_000;
  while ((await poolOf(it)).some((text) => text !== 'ready ok')) {
    assert(performance.now() < deadlineMs, 'not given back');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const events = await it.stack.cli(['events']);
  assert.match(events.text, /giveBack/);
  const history = await elsewhere(it, ['history', 'app']);
  assert.match(history.text, /r2 +v2 +died in (guard|drain) of /);
  const resumed = await elsewhere(it, ['resume', 'app']);
  assert.equal(resumed.code, 0, resumed.text);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v2', 'v2']);
});

test('a runner that stood still has lost its lock: it changes nothing more, and says so', async (t) => {
  const it = await stackAt(t, 'v1');
  const still = startDeploy(it, 'v2');
  const lines = async (): Promise<number> =>
    (await readFile(it.journal('r2'), 'utf8').catch(() => '')).split('\n').length - 1;
  while ((await lines()) < FIRST + 3) await new Promise((resolve) => setTimeout(resolve, 1));
  const { pid } = still;
  let isOver = false;
  const exited = still.exited.then((code) => {
    isOver = true;
    return code;
  });
  process.kill(pid, 'SIGSTOP');
  it.cleanup.add(async () => {
    // It has ended, unless the test broke off.
    if (!isOver) process.kill(pid, 'SIGCONT');
  });
  const deadlineMs = performance.now() + 60_000;
  let next = await it.stack.cli(['deploy', 'app', '--version', 'v3']);
  while (next.code === 4) {
    assert(performance.now() < deadlineMs, next.text);
    await new Promise((resolve) => setTimeout(resolve, 500));
    next = await it.stack.cli(['deploy', 'app', '--version', 'v3']);
  }
  assert.equal(next.code, 0, next.text);
  const before = await it.stack.cli(['show', 'app', 'r2', '--json']);
  process.kill(pid, 'SIGCONT');
  assert.equal(await exited, 4, still.tail());
  assert.match(still.tail(), /the lock of this release is lost/);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v3', 'v3']);
  assert.deepEqual(await poolOf(it), ['ready ok', 'ready ok']);
  const after = await it.stack.cli(['show', 'app', 'r2', '--json']);
  const recordsOf = (text: string): unknown => JSON.parse(text).records;
  assert.deepEqual(recordsOf(after.text), recordsOf(before.text));
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

test('a release that runs elsewhere is paused, and aborted while it waits', async (t) => {
  const it = await stackAt(t, 'v1');
  const nobody = await it.stack.cli(['pause', 'app']);
  assert.deepEqual([nobody.code, /no release runs/.test(nobody.text)], [2, true], nobody.text);
  const runner = startDeploy(it, 'v2');
  const text = async (): Promise<string> => readFile(it.journal('r2'), 'utf8').catch(() => '');
  // Not its name alone: that is in the plan, before the first instance is begun.
  while (!(await text()).includes('"step":"guard"'))
    await new Promise((resolve) => setTimeout(resolve, 1));
  // Not by the command line: its start may take longer than an instance.
  const url = `http://127.0.0.1:${it.stack.ports.admin}/api/releases/app/command`;
  const body = JSON.stringify({ command: 'pause', owner: 'user:bob' });
  assert.equal((await fetch(url, { method: 'POST', body })).status, 200);
  const deadlineMs = performance.now() + 30_000;
  while (!runner.tail().includes('paused by user:bob; go on with: sluice resume app')) {
    assert(performance.now() < deadlineMs, runner.tail());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v2', 'v1']);
  const aborted = await it.stack.cli(['abort', 'app', '-m', 'wrong one']);
  assert.match(aborted.text, /^release r2 of app: told to abort; see: sluice show app/);
  assert.equal(await runner.exited, 1, runner.tail());
  assert.match(runner.tail(), /Release r2 of app to v2 ABORTED after/);
  assert.match((await it.stack.cli(['history', 'app'])).text, /r2 +v2 +aborted /);
});
