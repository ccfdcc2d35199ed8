import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../test/support/base/until.ts';
import { temporaryFolder } from '../../test/support/release/artifacts.ts';
import { SERVICE } from '../../test/support/release/surveys.ts';
import type { EventBody } from './events.ts';
import { identityAtStart, isAlive } from './hosts.ts';
import { formsOf } from './masking.ts';
import { runPipeline, secretsInEnvironment } from './pipeline.ts';
import type { StepFailure } from './step-end.ts';
import { Interrupts } from './wait.ts';

type Ran = {
  readonly failure: StepFailure | null;
  readonly lines: readonly string[];
  readonly kept: string;
  readonly folder: string;
};

/** `onLine` gets each line of output, and a way to interrupt. */
async function run(
  t: TestContext,
  commands: readonly string[],
  options: {
    readonly secrets?: readonly string[];
    readonly onLine?: (line: string, interrupts: Interrupts) => void;
  } = {},
): Promise<Ran> {
  const folder = await temporaryFolder(t);
  const log = join(folder, 'out.log');
  const interrupts = new Interrupts();
  const lines: string[] = [];
  const emit = (event: EventBody): void => {
    if (event.type !== 'prepare') return;
    lines.push(`${event.part} ${event.phase}${event.text === '' ? '' : ` ${event.text}`}`);
    if (event.phase === 'output') options.onLine?.(event.text, interrupts);
  };
  const pipeline = commands.map((command) => ({ part: 'build' as const, command }));
  const service = { ...SERVICE, folder, pipeline };
  const secrets = new Set((options.secrets ?? []).flatMap(formsOf));
  const failure = await runPipeline({ service, version: 'v7', log, secrets, interrupts, emit });
  return { failure, lines, kept: await readFile(log, 'utf8'), folder };
}

test('commands run in their order, in the folder of the configuration, and are kept', async (t) => {
  const { failure, lines, kept, folder } = await run(t, [
    'pwd; echo "$SLUICE_VERSION of $SLUICE_SERVICE"; printf "no end"',
    'echo oops >&2',
  ]);
  assert.equal(failure, null);
  assert.deepEqual(lines, [
    ...['build start', `build output ${folder}`, 'build output v7 of app'],
    ...['build output no end', 'build done'],
    ...['build start', 'build output oops', 'build done'],
  ]);
  const first = '$ pwd; echo "$SLUICE_VERSION of $SLUICE_SERVICE"; printf "no end"';
  assert.equal(kept, `${first}\n${folder}\nv7 of app\nno end\n$ echo oops >&2\noops\n`);
});

test('the first command that fails ends it, with its last lines', async (t) => {
  const { failure, lines } = await run(t, [
    'for i in $(seq 30); do echo $i; done; exit 3',
    'echo never',
  ]);
  const reason = `build: "for i in $(seq 30); do echo $i; done; exit 3" exited with code 3`;
  const evidence = Array.from({ length: 20 }, (_, at) => String(at + 11));
  assert.deepEqual(failure, { code: 'preflight_failed', reason, evidence });
  assert.equal(lines.at(-1), 'build failed exited with code 3');
  assert.match((await run(t, ['kill -SEGV $$'])).failure?.reason ?? '', /was ended by SIGSEGV/);
});

test('a process that runs on with the output open is not waited for', async (t) => {
  const { failure, lines } = await run(t, ['sleep 60 & echo $!']);
  assert.equal(failure, null);
  const pid = Number(lines[1]?.split(' ')[2]);
  t.after(() => process.kill(pid, 'SIGKILL'));
  assert.equal(process.kill(pid, 0), true);
});

test('secrets are masked in what is shown, kept and said', async (t) => {
  const secret = 'hunter22-hunter22';
  const { failure, lines, kept } = await run(t, [`echo "x ${secret} y"; exit 1`], {
    secrets: [secret],
  });
  assert.equal(JSON.stringify([failure, lines, kept]).includes(secret), false);
  assert(lines.includes('build output x *** y'));
  const found = secretsInEnvironment({ NPM_TOKEN: 'abcdef12', HOME: '/home/me', EMPTY_SECRET: '' });
  assert(found.includes('abcdef12'));
  assert(!found.includes('/home/me'));
});

test('an interrupt ends the command and all that it has started', async (t) => {
  const script = 'sh -c "trap \'\' TERM; sleep 60 & echo \\$!; wait; sleep 60" & sleep 60';
  let child = { pid: 0, identity: '' };
  const { failure, lines } = await run(t, [script, 'echo never'], {
    onLine: (line, interrupts) => {
      child = { pid: Number(line), identity: identityAtStart(Number(line)) };
      interrupts.raise('SIGTERM');
    },
  });
  assert.equal(failure?.code, 'interrupted');
  assert.notEqual(child.identity, '');
  // It was told; the system may need a moment.
  while (isAlive(child)) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(lines.at(-1), 'build failed interrupted');
});

test('what a command has started ends when the runner is killed', async (t) => {
  const folder = await temporaryFolder(t);
  const code = `const { runShell } = await import(process.argv[1]);
    const { signal } = new AbortController();
    const env = process.env;
    const command = 'trap "" TERM; sleep 600 & echo $$ $!; wait; wait';
    const onLine = (line) => console.log(line);
    await runShell({ command, cwd: process.argv[2], env }, onLine, { stop: signal, hard: signal });`;
  const file = new URL('./shell.ts', import.meta.url).pathname;
  const runner = spawn(process.execPath, ['--input-type=module', '-e', code, file, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(runner, 'exit');
  const [text]: unknown[] = await once(runner.stdout.setEncoding('utf8'), 'data');
  const started = String(text)
    .trim()
    .split(' ')
    .map((pid) => {
      return { pid: Number(pid), identity: identityAtStart(Number(pid)) };
    });
  assert.equal(started.length, 2);
  assert(started.every(isAlive));
  runner.kill('SIGKILL');
  await ended;
  await until(() => !started.some(isAlive));
});

test('what a command leaves running on purpose runs on', async (t) => {
  const { failure, lines } = await run(t, ['sleep 600 >/dev/null 2>&1 & echo $!']);
  assert.equal(failure, null);
  const pid = Number(/output (\d+)/.exec(lines.join(' '))?.[1]);
  t.after(() => process.kill(pid, 'SIGKILL'));
  // Whoever would end it does so within the time of a TERM.
  const other = await run(t, ['sleep 0.2']);
  assert.equal(other.failure, null);
  assert(isAlive({ pid, identity: identityAtStart(pid) }));
});
