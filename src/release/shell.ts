// A command of a person's on the machine that deploys, by a shell of its own. It has a process group of
// its own: what ends it ends all that it has started, TERM first, so that nothing of it runs on when the
// release is over.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { systemCode } from '../base/errors.ts';
import { pause } from './wait.ts';

export type ShellCommand = {
  /** For `sh -c`. */
  readonly command: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

export type ShellLimits = {
  /** Ends it: TERM, then KILL. */
  readonly stop: AbortSignal;
  /** Ends it at once. */
  readonly hard: AbortSignal;
};

const LINE_LENGTH_MAX = 16 * 1024;
/** From TERM to KILL: a CI job that is cancelled has 10 s in all. */
const GRACE_MS = 5000;
const LOOK_EVERY_MS = 25;
/** A process that runs on may hold the output open. */
const REST_OF_OUTPUT_MS = 500;

/** How it ended, in words; '' when it succeeded. `onLine` gets each line of both outputs. */
export async function runShell(
  { command, cwd, env }: ShellCommand,
  onLine: (line: string) => void,
  { stop, hard }: ShellLimits,
): Promise<string> {
  const child = spawn('/bin/sh', ['-c', command], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(`cannot be run (${systemCode(error) || error.message})`));
    child.on('exit', (code, signal) => {
      if (code === 0) resolve('');
      else resolve(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
    });
  });
  const unwatch = watched(child);
  const outputs = [child.stdout, child.stderr].flatMap((stream) => stream ?? []);
  const read = Promise.all(outputs.map((stream) => readLines(stream, onLine)));
  const stopped = new AbortController();
  const onStop = (): void => {
    void endGroup(child, hard).finally(() => stopped.abort());
  };
  if (stop.aborted) onStop();
  stop.addEventListener('abort', onStop);
  const end = await exit;
  const isRead = new AbortController();
  await Promise.race([read.finally(() => isRead.abort()), pause(REST_OF_OUTPUT_MS, isRead.signal)]);
  stop.removeEventListener('abort', onStop);
  while (stop.aborted && !stopped.signal.aborted) await pause(60_000, stopped.signal);
  unwatch();
  for (const stream of outputs) stream.destroy();
  return end;
}

/**
 * We may be killed without a word, which would leave the command running: beside it stands a shell that
 * reads from us and ends the group as we would, when our end of the pipe closes and nothing was said. Gives
 * back what tells it that all is over.
 */
function watched({ pid }: ChildProcess): () => void {
  if (pid === undefined) return () => {};
  const watcher = spawn('/bin/sh', ['-c', WATCH, 'sh', `-${pid}`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.on('error', () => {}); // Without it the command is what it was before.
  watcher.stdin.on('error', () => {});
  return () => watcher.stdin.end('over\n');
}

/** Argument: the group, as a pid with a minus. */
const WATCH = `IFS= read -r _ && exit 0
kill -s TERM -- "$1" || exit 0
n=0
while kill -s 0 -- "$1" && [ "$n" -lt ${GRACE_MS / 1000} ]; do n=$((n + 1)); sleep 1; done
kill -s KILL -- "$1"`;

/** All that the command has started and that has not left its group. */
async function endGroup({ pid }: ChildProcess, hard: AbortSignal): Promise<void> {
  if (pid === undefined) return;
  const untilMs = performance.now() + GRACE_MS;
  let isThere = signalGroup(pid, 'SIGTERM');
  while (isThere && performance.now() < untilMs && !hard.aborted) {
    await pause(LOOK_EVERY_MS, hard);
    isThere = signalGroup(pid, 0);
  }
  signalGroup(pid, 'SIGKILL');
}

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

/** Each line, also one without an end; a line without any end in sight comes in pieces. */
async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  let rest = '';
  const say = (line: string): void => onLine(line.replace(/\r+$/, '').replace(/^.*\r/s, ''));
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) say(line);
    if (rest.length < LINE_LENGTH_MAX) return;
    say(rest);
    rest = '';
  });
  await finished(stream).catch(() => {}); // Destroyed by us.
  if (rest !== '') say(rest);
}
