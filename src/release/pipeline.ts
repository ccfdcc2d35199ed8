// The commands that make and try a version, before any host is touched: one after the other, each by
// a shell of its own, on the machine that deploys and with its environment, as in any CI job. What
// they print is shown as it comes and kept in a file, secrets masked. The first that fails ends it.

import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { PipelineCommand, ServiceConfig } from '../config.ts';
import type { EventBody } from './events.ts';
import { storageError } from './journal/files.ts';
import { formsOf, masked } from './masking.ts';
import { runShell } from './shell.ts';
import type { StepFailure } from './step-end.ts';
import type { Interrupts } from './wait.ts';

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
  const { soft, hard } = interrupts;
  const env = { ...environment, SLUICE_SERVICE: service.name, ...given };
  const limits = { stop: soft, hard };
  const end = await runShell({ command, cwd: service.folder, env }, onLine, limits);
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
