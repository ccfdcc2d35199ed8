// The program itself, run beside the gateway by the gateway: with its configuration, as its user. A run that
// answers something is short: it has a deadline, its output a limit, and the same question is asked once. A
// release outlives whoever began it, so it is a process in a session of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { messageOf, SluiceError } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';

export type Program = {
  /** Node, and the file that it runs. */
  readonly command: readonly [string, string];
  /** Options before the verb: the configuration, and the control API where the file does not say its address. */
  readonly options: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
};

export type Ended = {
  /** -1: a signal ended it. */
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
};

const AT_ONCE_MAX = 4;
const STDOUT_BYTES_MAX = 8 * 1024 * 1024;
const STDERR_BYTES_MAX = 64 * 1024;

/** The environment is that of this process, but for what says to whom, and how, a person speaks. */
export function spawnSluice(
  { command, options, environment }: Program,
  words: readonly string[],
): ChildProcess {
  const own = Object.entries(process.env).filter(([name]) => !NOT_PASSED.has(name));
  const [node, file] = command;
  return spawn(node, [file, ...options, ...words], {
    env: { ...Object.fromEntries(own), NO_COLOR: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A signal for our group, such as Ctrl-C, is not for it.
    detached: true,
  });
}

const NOT_PASSED: ReadonlySet<string> = new Set(['SLUICE_CONTROL', 'SLUICE_BY', 'FORCE_COLOR']);

/** Runs that answer something. */
export class Questions {
  readonly #running = new Map<string, Promise<Ended>>();
  readonly #children = new Set<ChildProcess>();

  /** @throws too_many, timeout, conflict when it cannot be started */
  ask(program: Program, words: readonly string[], timeoutMs: number): Promise<Ended> {
    const key = JSON.stringify(words);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    if (this.#running.size >= AT_ONCE_MAX) {
      const text = `${AT_ONCE_MAX} questions about releases are being answered; ask again in a moment`;
      throw new SluiceError('too_many', text, { details: { retryAfterMs: 1000 } });
    }
    const answer = this.#run(program, words, timeoutMs).finally(() => this.#running.delete(key));
    this.#running.set(key, answer);
    return answer;
  }

  close(): void {
    for (const child of this.#children) kill(child);
  }

  async #run(program: Program, words: readonly string[], timeoutMs: number): Promise<Ended> {
    const child = spawnSluice(program, words);
    this.#children.add(child);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      kill(child);
    }, timeoutMs);
    const stdout = collect(child, 'stdout', STDOUT_BYTES_MAX);
    const stderr = collect(child, 'stderr', STDERR_BYTES_MAX);
    try {
      const exit = await exitOf(child);
      if (isLate) {
        const what = `"sluice ${words[0]}" has not answered within ${formatDuration(timeoutMs)}`;
        throw new SluiceError('timeout', `${what}; try it in a shell on the gateway's machine`);
      }
      return { exit, stdout: stdout(), stderr: stderr() };
    } finally {
      clearTimeout(timer);
      this.#children.delete(child);
    }
  }
}

/** @throws conflict when it could not be started */
function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      const text = `sluice cannot be run here: ${messageOf(error)}`;
      reject(new SluiceError('conflict', text, { cause: error }));
    });
    child.once('close', (code) => resolve(code ?? -1));
  });
}

/** What is beyond the limit is read and forgotten. */
function collect(child: ChildProcess, name: 'stdout' | 'stderr', bytesMax: number): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  child[name]?.on('data', (chunk: Buffer) => {
    if (bytes < bytesMax) chunks.push(chunk.subarray(0, bytesMax - bytes));
    bytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** With what it has started. */
function kill({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
