// A release that waits for a person: the runner in one process, who approves in another, nothing but the
// control API between them; and a runner that is killed while it waits.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROJECT } from '../demo/stack/gateway.ts';
import { start } from '../demo/stack/processes.ts';
import { versionOf } from './support/release/builders.ts';
import { elsewhere } from './support/release/killed.ts';
import { startDeploy, startReleaseStack } from './support/release/stack.ts';

test('a deploy waits, also when its runner is killed, and goes on when somebody approves it elsewhere', async (t) => {
  const service = '    approve: { before: rest, timeout: 5m }\n';
  const it = await startReleaseStack(t, { service });
  const { cli, configFile } = { cli: it.stack.cli.bind(it.stack), configFile: it.stack.configFile };
  const until = async (runner: ReturnType<typeof start>, wanted: RegExp): Promise<void> => {
    const deadlineMs = performance.now() + 60_000;
    while (!wanted.test(runner.tail())) {
      assert(performance.now() < deadlineMs, runner.tail());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  assert.match((await cli(['plan', 'app', '--version', 'v1'])).text, /\n +approval guard start /);
  const first = startDeploy(it, 'v1');
  await until(first, /approval wait .*next="sluice approve app"/);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v1', '']);
  await first.stop('SIGKILL');

  const argv = [join(PROJECT, 'bin/sluice.js'), '-c', configFile, 'resume', 'app'];
  const runner = start(process.execPath, argv, { env: { NO_COLOR: '1' } });
  it.cleanup.add(() => runner.stop('SIGKILL'));
  await until(runner, /approval wait/);
  const history = await elsewhere(it, ['history', 'app']);
  assert.match(
    history.text,
    /r1 +v1 +waiting for approval .* deploy by .*; since \S+Z, until \S+Z: sluice approve app r1/,
  );
  const refused = await elsewhere(it, ['approve', 'app', 'r7']);
  assert.deepEqual([refused.code, /r1 .* runs, not r7/.test(refused.text)], [1, true]);
  const approved = await elsewhere(it, ['approve', 'app', 'r1', '-m', 'the first one serves']);
  assert.match(approved.text, /^release r1 of app: approved; see: sluice show app/);
  assert.equal(await runner.exited, 0, runner.tail());
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v1', 'v1']);
  assert.match(
    runner.tail(),
    /approval given {2}\S+ before=rest by=user:\S+ why="the first one serves"/,
  );
  const shown = await elsewhere(it, ['show', 'app', 'r1']);
  assert.match(shown.text, /approval +done +before=rest by=user:\S+ why=the first one serves/);
  assert.match(
    (await cli(['events', '--json'])).text,
    /"command": "approve",\s+"owner": "user:\S+",\s+"why": "the first one serves"/,
  );
  const nobody = await elsewhere(it, ['approve', 'app']);
  assert.deepEqual([nobody.code, /no release runs/.test(nobody.text)], [2, true], nobody.text);
});
