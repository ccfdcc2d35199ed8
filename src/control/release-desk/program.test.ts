import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isRunning } from '../../../test/support/base/process-facts.ts';
import { silentLog } from '../../base/log.ts';
import { Questions, spawnSluice } from './program.ts';
import { StartedRun } from './started-run.ts';

/** A program of this code in place of sluice. */
async function programOf(t: TestContext, code: string) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-desk-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'program.mjs');
  await writeFile(file, code);
  const command = [process.execPath, file] as const;
  return { folder, program: { command, options: [], environment: { SAID: 'yes' } } };
}

const REQUEST = {
  ...{ version: 'v2', why: '', owner: '', force: false, allowDowntime: false, skipBuild: false },
  kind: 'deploy',
} as const;

test('a question has a deadline, and what it has started ends with it', async (t) => {
  const code = `import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
writeFileSync(process.argv[1] + '.pid', String(child.pid));
setInterval(() => {}, 1e6);`;
  const { program } = await programOf(t, code);
  const questions = new Questions();
  await assert.rejects(questions.ask(program, ['plan'], 3000), {
    code: 'timeout',
    message: /"sluice plan" has not answered within 3s/,
  });
  const pid = Number(await readFile(`${program.command[1]}.pid`, 'utf8'));
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
});

test('the same question is asked once, and not too many at a time', async (t) => {
  const { program } = await programOf(t, 'setTimeout(() => console.log(process.argv[2]), 300)');
  const questions = new Questions();
  t.after(() => questions.close());
  const same = questions.ask(program, ['0'], 20_000);
  assert.equal(questions.ask(program, ['0'], 20_000), same);
  const others = ['1', '2', '3'].map((word) => questions.ask(program, [word], 20_000));
  assert.throws(() => questions.ask(program, ['4'], 20_000), { code: 'too_many' });
  const answers = await Promise.all([same, ...others]);
  assert.deepEqual(
    answers.map(({ stdout }) => stdout.trim()),
    ['0', '1', '2', '3'],
  );
  assert.equal((await questions.ask(program, ['4'], 20_000)).exit, 0);
});

test('a program that is not there is said, and not thrown at somebody else', async () => {
  const command = ['/nowhere/node', 'sluice.js'] as const;
  const program = { command, options: [], environment: {} };
  const asked = new Questions().ask(program, ['plan'], 1000);
  await assert.rejects(asked, { code: 'conflict', message: /cannot be run here: .*ENOENT/ });
});

test('of what a release prints the last lines are kept, and the beginning in a file', async (t) => {
  const code = `const line = 'x'.repeat(70_000);
for (let i = 0; i < 100; i += 1) console.log(line);
for (let i = 0; i < 300; i += 1) console.log('  line ' + i);
console.log('12:04:09Z app r7 - note');
console.error('sluice: ' + process.env.SAID);
process.exitCode = 3;`;
  const { folder, program } = await programOf(t, code);
  const file = join(folder, 'runs', 'app.log');
  const child = spawnSluice(program, ['deploy']);
  const about = { service: 'app', request: REQUEST, by: 'ann', cli: '' };
  const run = new StartedRun(child, { ...about, file, log: silentLog });
  await run.begun(20_000);
  assert.equal(run.document().release, 'r7');
  while (!run.isOver) await new Promise((resolve) => setTimeout(resolve, 5));
  const { lines, exit, state } = run.document();
  assert.deepEqual([exit, state, lines.length, run.errors], [3, 'ended', 200, 'sluice: yes']);
  assert(lines.every((line) => line.length <= 1000));
  const { length } = await readFile(file);
  assert(length > 4_000_000 && length < 4_400_000, String(length));
});

test('who waits for a release is told when we end, and it goes on without us', async (t) => {
  const { folder, program } = await programOf(
    t,
    `import { writeFileSync } from 'node:fs';
process.stdout.on('error', () => writeFileSync(process.argv[1] + '.alone', ''));
setInterval(() => console.log('x'), 10);`,
  );
  const child = spawnSluice(program, ['deploy']);
  t.after(() => child.kill('SIGKILL'));
  const about = { service: 'app', request: REQUEST, by: '', cli: '', log: silentLog };
  const run = new StartedRun(child, { ...about, file: join(folder, 'app.log') });
  const begun = run.begun(60_000);
  while (run.document().lines.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  run.detach();
  await begun;
  // Nobody reads what it prints any more, and it is still there after that.
  while (!existsSync(`${program.command[1]}.alone`)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert(isRunning(child.pid ?? 0));
});
