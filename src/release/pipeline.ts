// The commands that make and try a version, before any host is touched: one after the other, each by
// a shell of its own, on the machine that deploys and with its environment, as in any CI job. What
// they print is shown as it comes and kept in a file, secrets masked. The first that fails ends it.
//
// A command has a process group of its own: an interrupt ends all of it, TERM first, and nothing of a
// build runs on when the release is over.

import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { systemCode } from '../base/errors.ts';
import type { PipelineCommand, ServiceConfig } from '../config.ts';
import type { EventBody } from './events.ts';
import { storageError } from './journal/files.ts';
import { formsOf, masked } from './masking.ts';
import type { StepFailure } from './step-end.ts';
import { type Interrupts, pause } from './wait.ts';

export type PipelineOptions = {
  readonly service: ServiceConfig;
  /** As it was given; '' when the artifact will say it. */
  readonly version: string;
  /** The file in which the output is kept; it is appended to. */
  readonly log: string;
  readonly secrets: ReadonlySet<string>;
  readonly interrupts: Interrupts;
  readonly emit: (event: EventBody) => void;
};

/** Of what a failed command printed. */
const LAST_LINES = 20;
const LINE_LENGTH_MAX = 16 * 1024;
/** From TERM to KILL: a CI job that is cancelled has 10 s in all. */
const GRACE_MS = 5000;
const LOOK_EVERY_MS = 25;
/** A process that runs on may hold the output open. */
const REST_OF_OUTPUT_MS = 500;
const SECRET_NAME = /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|(?:API|ACCESS|PRIVATE|SIGNING)_?KEY/i;

/** Null when all of them succeeded. @throws storage_full, storage_failed of the file */
export async function runPipeline(options: PipelineOptions): Promise<StepFailure | null> {
  const { service, log, interrupts } = options;
  if (service.pipeline.length === 0) return null;
  const file = createWriteStream(log, { flags: 'a', mode: 0o600 });
  let failed: unknown;
  const written = finished(file).catch((error: unknown) => {
    failed = error;
  });
  let failure: StepFailure | null = null;
  for (const command of service.pipeline) {
    failure = interrupts.soft.aborted
      ? INTERRUPTED
      : await runCommand(command, options, (line) => file.write(`${line}\n`));
    if (failure !== null) break;
  }
  file.end();
  await written;
  if (failed !== undefined) throw storageError(log, failed);
  return failure;
}

/** Values of variables whose names say what they are: a CI job has many of them. */
export function secretsInEnvironment(environment: NodeJS.ProcessEnv): readonly string[] {
  return Object.entries(environment).flatMap(([name, value = '']) =>
    SECRET_NAME.test(name) ? formsOf(value) : [],
  );
}

const INTERRUPTED: StepFailure = { code: 'interrupted', reason: 'interrupted', evidence: [] };

async function runCommand(
  { part, command }: PipelineCommand,
  options: PipelineOptions,
  keep: (line: string) => void,
): Promise<StepFailure | null> {
  const { service, version, secrets, interrupts } = options;
  const startedMs = performance.now();
  const subject = masked(command, secrets);
  const say = (phase: 'start' | 'output' | 'done' | 'failed', text: string): void => {
    const ms = Math.round(performance.now() - startedMs);
    options.emit({ type: 'prepare', part, subject, phase, ms, text, data: {} });
  };
  const last: string[] = [];
  const onLine = (raw: string): void => {
    const line = masked(raw, secrets);
    keep(line);
    last.push(line);
    if (last.length > LAST_LINES) last.shift();
    say('output', line);
  };
  keep(`$ ${subject}`);
  say('start', '');
  // What may deploy and drain is no matter of a build.
  const { SLUICE_TOKEN: _, ...environment } = process.env;
  const given = version === '' ? {} : { SLUICE_VERSION: version };
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: service.folder,
    env: { ...environment, SLUICE_SERVICE: service.name, ...given },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = await ended(child, onLine, interrupts);
  if (interrupts.soft.aborted) {
    say('failed', 'interrupted');
    return INTERRUPTED;
  }
  if (end === '') {
    say('done', '');
    return null;
  }
  say('failed', end);
  return { code: 'preflight_failed', reason: `${part}: "${subject}" ${end}`, evidence: last };
}

/** How it ended, in words; '' when it succeeded. */
async function ended(
  child: ChildProcess,
  onLine: (line: string) => void,
  { soft, hard }: Interrupts,
): Promise<string> {
  const exit = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(`cannot be run (${systemCode(error) || error.message})`));
    child.on('exit', (code, signal) => {
      if (code === 0) resolve('');
      else resolve(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
    });
  });
  const outputs = [child.stdout, child.stderr].flatMap((stream) => stream ?? []);
  const read = Promise.all(outputs.map((stream) => readLines(stream, onLine)));
  const stopped = new AbortController();
  const onStop = (): void => {
    endGroup(child, hard).then(
      () => stopped.abort(),
      () => stopped.abort(),
    );
  };
  if (soft.aborted) onStop();
  soft.addEventListener('abort', onStop);
  const end = await exit;
  const isRead = new AbortController();
  await Promise.race([read.finally(() => isRead.abort()), pause(REST_OF_OUTPUT_MS, isRead.signal)]);
  soft.removeEventListener('abort', onStop);
  while (soft.aborted && !stopped.signal.aborted) await pause(60_000, stopped.signal);
  for (const stream of outputs) stream.destroy();
  return end;
}

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
