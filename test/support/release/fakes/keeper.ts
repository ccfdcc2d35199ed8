// What the fakes of systemd, docker and pm2 keep their processes with: a process of its own that runs a
// command, starts it again as its policy says, and writes down what became of it. TERM stops it as
// such a manager does (the stop signal, a deadline, KILL), USR2 kills at once. Not a test.
//
//   node keeper.ts /folder/name.json        reads the task, writes /folder/name.json.state

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

export type Task = {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly restart: 'no' | 'on-failure' | 'always';
  readonly stopSignal: NodeJS.Signals;
  readonly stopTimeoutMs: number;
  readonly log: string;
};

export type Kept = {
  /** Another run has another one. */
  readonly run: string;
  readonly keeper: number;
  readonly pid: number;
  readonly isRunning: boolean;
  readonly startedAt: string;
  readonly restarts: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What could not be started, in the system's word. */
  readonly error: string;
};

const RESTART_AFTER_MS = 100;

/** Starts a keeper; resolves when it has started its process or could not. */
export async function keep(file: string, task: Task): Promise<Kept> {
  rmSync(`${file}.state`, { force: true });
  writeFileSync(file, JSON.stringify(task), { mode: 0o600 });
  spawn(process.execPath, [import.meta.filename, file], {
    detached: true,
    stdio: 'ignore',
  }).unref();
  for (;;) {
    const kept = readKept(file);
    if (kept !== undefined) return kept;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function readKept(file: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(`${file}.state`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Whether its keeper is there: it runs, or is about to run again. */
export function isKept(kept: Kept | undefined): kept is Kept {
  if (kept === undefined) return false;
  try {
    process.kill(kept.keeper, 0);
    return true;
  } catch {
    return false;
  }
}

/** Stops it, or kills it; resolves when the keeper is gone. */
export async function endKept(file: string, signal: 'SIGTERM' | 'SIGUSR2'): Promise<void> {
  const kept = readKept(file);
  if (!isKept(kept)) return;
  process.kill(kept.keeper, signal);
  while (isKept(kept)) await new Promise((resolve) => setTimeout(resolve, 5));
}

function run(file: string): void {
  const task: Task = JSON.parse(readFileSync(file, 'utf8'));
  let restarts = 0;
  let isStopping = false;
  let child: ChildProcess;
  const write = (kept: Kept): void => {
    writeFileSync(`${file}.new`, JSON.stringify(kept));
    renameSync(`${file}.new`, `${file}.state`);
  };
  const start = (): void => {
    const base = { run: randomUUID().replaceAll('-', ''), keeper: process.pid, restarts };
    const startedAt = new Date().toISOString();
    const log = openSync(task.log, 'a');
    const [program = '', ...args] = task.argv;
    const { cwd, env } = task;
    child = spawn(program, args, { cwd, env, stdio: ['ignore', log, log] });
    const at = { ...base, startedAt, pid: child.pid ?? 0, code: null, signal: null };
    child.on('spawn', () => write({ ...at, isRunning: true, error: '' }));
    child.on('error', ({ message }) => {
      write({ ...at, isRunning: false, error: message });
      process.exit(1);
    });
    child.on('exit', (code, signal) => {
      write({ ...at, isRunning: false, code, signal, error: '' });
      const isWanted = task.restart === 'always' || (task.restart !== 'no' && code !== 0);
      if (isStopping || !isWanted) process.exit(0);
      restarts += 1;
      setTimeout(() => {
        if (!isStopping) start();
      }, RESTART_AFTER_MS);
    });
  };
  const stop = (signal: NodeJS.Signals): void => {
    isStopping = true;
    if (child.exitCode !== null || child.signalCode !== null) process.exit(0);
    child.kill(signal);
  };
  process.on('SIGUSR2', () => stop('SIGKILL'));
  process.on('SIGTERM', () => {
    stop(task.stopSignal);
    setTimeout(() => stop('SIGKILL'), task.stopTimeoutMs);
  });
  start();
}

if (process.argv[1] === import.meta.filename) run(process.argv[2] ?? '');
