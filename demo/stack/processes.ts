// Child processes with an owner: started, waited for, ended by their own pid, and gone when this
// process goes. Free ports, temporary folders and /proc figures for the demo and the benches.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a test, demo or bench started, to be undone in reverse order. */
export class Cleanup {
  #steps: (() => Promise<unknown> | unknown)[] = [];
  #running: Promise<void> | undefined;

  /** A step that is added while the clean-up runs, by what had not noticed yet, is run too. */
  add(step: () => Promise<unknown> | unknown): void {
    this.#steps.push(step);
    if (this.#running !== undefined) this.#running = this.#running.then(() => this.#undo());
  }

  /** Runs every step once, also when one fails; a second call waits for the first. */
  run(): Promise<void> {
    this.#running ??= this.#undo();
    return this.#running;
  }

  async #undo(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        console.error('clean-up:', error);
      }
    }
  }
}

export type Child = {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** The last lines of both outputs, for error messages. */
  tail(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
};

export type StartOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Every line of standard output. */
  readonly onLine?: (line: string) => void;
};

const TAIL_CHARACTERS = 4000;
const STOP_TIMEOUT_MS = 10_000;

/** Starts a program; its end is awaited by `stop`, which kills it after ten seconds. */
export function start(command: string, argv: readonly string[], options: StartOptions = {}): Child {
  const child = spawn(command, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let tail = '';
  let line = '';
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString()).slice(-TAIL_CHARACTERS);
  };
  child.stderr.on('data', keep);
  child.stdout.on('data', (chunk: Buffer) => {
    keep(chunk);
    const lines = (line + chunk.toString()).split('\n');
    line = lines.pop() ?? '';
    for (const whole of lines) options.onLine?.(whole);
  });
  const exited = new Promise<number>((resolve) => {
    child.on('error', (error) => {
      tail += error.message;
      resolve(127);
    });
    child.on('close', (code, signal) => {
      if (line !== '') options.onLine?.(line);
      resolve(code ?? (signal === null ? 1 : 128));
    });
  });
  return { pid: child.pid ?? 0, exited, tail: () => tail, stop: (signal) => stop(child, signal) };
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}

/** Waits until something accepts connections there; rejects when the child ends first. */
export async function listening(port: number, child: Child, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let ended = false;
  void child.exited.then(() => {
    ended = true;
  });
  while (!(await accepts(port))) {
    if (ended) throw new Error(`the process ended before it listened on ${port}:\n${child.tail()}`);
    if (Date.now() > deadline) throw new Error(`nothing listens on ${port}:\n${child.tail()}`);
    await sleep(20);
  }
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** A folder that is removed by the clean-up. */
export async function temporaryFolder(name: string, cleanup: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `sluice-${name}-`));
  await chmod(folder, 0o755); // nginx started by root works as another user.
  cleanup.add(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Standard output of a program that ends by itself. */
export function output(command: string, argv: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, argv, { maxBuffer: 1e7 }, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(`${command} ${argv.join(' ')}: ${stderr || stdout}`));
      else resolve(stdout);
    });
  });
}

const CLOCK_TICKS_PER_SECOND = 100; // USER_HZ, 100 on every Linux of the last twenty years.

/** User and system time of a process so far, seconds (Linux). */
export function cpuSeconds(pid: number): number {
  const fields = afterName(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

/** The part of it that the kernel used on its behalf. */
export function systemSeconds(pid: number): number {
  const fields = afterName(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return Number(fields[12]) / CLOCK_TICKS_PER_SECOND;
}

/** Resident memory of a process, bytes (Linux). */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) * 1024;
}

/** The fields of /proc/<pid>/stat from the third on: the second, a name, may contain blanks. */
function afterName(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
