// A release run by a verb: shown as it goes in one of the ways of show.ts, ended by signals, its exit code
// that of the process.

import { type Command, Option } from 'commander';
import { messageOf } from '../../base/errors.ts';
import { ENDING, onHabitualSignals } from '../../base/signals.ts';
import type { ReleaseOptions, ReleaseResult } from '../../release.ts';
import { keepGoingWithoutReaders } from '../output.ts';
import type { Show } from '../show.ts';
import { OUTPUTS, type Output, outputFor } from '../show-words.ts';

/** SIGHUP too: it comes when the terminal is closed. */
const SIGNALS = [...ENDING, 'SIGHUP'] as const;

export type OutputOptions = {
  readonly plain?: boolean;
  readonly json?: boolean;
  readonly output: Output | 'auto';
  readonly dotenv?: string;
};

/** What a verb says of its release; the rest is the same for all. */
export type ToRun = Omit<ReleaseOptions, 'interrupts' | 'onEvent' | 'onSecrets' | 'by'>;

/** `tty: a live table; plain: …` */
const OUTPUT_MEANINGS = Object.entries(OUTPUTS)
  .map(([word, meaning]) => `${word}: ${meaning}`)
  .join('; ');

export function addOutputOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--output <how>',
        `how it is shown. ${OUTPUT_MEANINGS}; auto: by the CI system or terminal`,
      )
        .choices(['auto', ...Object.keys(OUTPUTS)])
        .default('auto'),
    )
    .addOption(new Option('--plain', 'the same as --output plain').conflicts(['output', 'json']))
    .addOption(new Option('--json', 'the same as --output json').conflicts('output'))
    .option('--dotenv <file>', 'write SLUICE_OUTCOME and others as NAME=value, for later CI jobs');
}

/** Runs it; `prepare` finds out what. Its errors are shown in the same way. */
export async function runShown(
  options: OutputOptions,
  prepare: () => Promise<ToRun>,
): Promise<void> {
  const { NO_RESULT, outputsOf, showFor, writeDotenv } = await import('../show.ts');
  const asked = options.json === true ? 'json' : options.plain === true ? 'plain' : options.output;
  const output = outputFor(asked, process.env, process.stdout.isTTY);
  const show = showFor(output, process.env);
  let isEndedAtOnce = false;
  try {
    const { result, ...ended } = await release(await prepare(), show);
    isEndedAtOnce = ended.isEndedAtOnce;
    show.onResult(result);
    if (options.dotenv !== undefined) writeDotenv(options.dotenv, outputsOf(result));
    process.exitCode = result.exit;
  } catch (error) {
    const reason = messageOf(error);
    show.onError(reason);
    if (options.dotenv !== undefined) writeDotenv(options.dotenv, { ...NO_RESULT, reason });
    throw error;
  } finally {
    show.close();
  }
  // Started instances do not need this process; after a second interrupt a wait may still keep it.
  if (isEndedAtOnce) process.exit();
}

async function release(
  what: ToRun,
  show: Show,
): Promise<{ readonly result: ReleaseResult; readonly isEndedAtOnce: boolean }> {
  const { Interrupts, runRelease } = await import('../../release.ts');
  const interrupts = new Interrupts();
  // When the reader of the output goes away, the release goes on: it may be between two steps.
  keepGoingWithoutReaders();
  onHabitualSignals(() => {});
  const stopListening = onSignals((signal) => {
    interrupts.raise(signal);
    const isSecond = interrupts.hard.aborted;
    const text = isSecond
      ? 'stopping at once'
      : 'stopping at the next safe point; again to stop at once';
    show.remark(`sluice: ${signal}: ${text}`);
  });
  try {
    const { onEvent, onSecrets } = show;
    // A gateway that was told to start it says who did.
    const by = process.env['SLUICE_BY'] ?? '';
    const result = await runRelease({ ...what, by, interrupts, onEvent, onSecrets });
    return { result, isEndedAtOnce: interrupts.hard.aborted };
  } finally {
    stopListening();
  }
}

function onSignals(onSignal: (signal: string) => void): () => void {
  const handlers = SIGNALS.map((signal) => {
    const handler = (): void => onSignal(signal);
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const off of handlers) off();
  };
}
