// `sluice deploy`: carries out a plan and shows it as it goes, in one of the ways of show.ts. The last
// block says who serves what; the exit code says the same to scripts.

import { type Command, Option } from 'commander';
import { messageOf } from '../../base/errors.ts';
import { ENDING, onHabitualSignals } from '../../base/signals.ts';
import type { ReleaseResult } from '../../release.ts';
import { keepGoingWithoutReaders } from '../output.ts';
import {
  NO_RESULT,
  OUTPUTS,
  type Output,
  outputFor,
  outputsOf,
  type Show,
  showFor,
  writeDotenv,
} from '../show.ts';
import { addReleaseOptions, type ReleaseVerbOptions, releaseTarget } from './service.ts';

/** SIGHUP too: it comes when the terminal is closed. */
const SIGNALS = [...ENDING, 'SIGHUP'] as const;

type DeployOptions = ReleaseVerbOptions & {
  readonly skipBuild?: boolean;
  readonly plain?: boolean;
  readonly output: Output | 'auto';
  readonly dotenv?: string;
};

/** `tty: a live table; plain: …` */
const OUTPUT_MEANINGS = Object.entries(OUTPUTS)
  .map(([word, meaning]) => `${word}: ${meaning}`)
  .join('; ');

export function defineDeploy(verb: Command): void {
  addReleaseOptions(verb)
    .summary('release a version, instance by instance')
    .description(
      'Release a version, instance by instance: each is drained before it is stopped, so that no request through this gateway is lost.',
    )
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
    .option('--skip-build', 'do not run build, test and scan: that was done before')
    .option('--dotenv <file>', 'write SLUICE_OUTCOME and others as NAME=value, for later CI jobs')
    .addHelpText(
      'after',
      `
First build, test and scan run, as configured; then the artifact is brought to
all hosts. What fails there changes nothing (exit 3).

Per instance: guard, drain until nothing is in flight, stop, activate, start,
check, admit. An instance that fails is brought back to the version that served
before; the others are not touched. Ctrl-C stops at the next safe point, twice
at once; run the same command again to go on.

Drained, counted and "in pool" hold for all gateways that share the registry. A
gateway that could not be heard is named, and the receipt is INCOMPLETE then.

Exit codes: 0 released or nothing to do, 1 failed (see the last block), 3
refused by preflight, 4 another release runs, 5 too little capacity, 7 the old
version could not be brought back, 9 control plane not reachable, 130
interrupted.

Example:
  $ sluice deploy app --version v2
  $ sluice deploy app --artifact build/app.tgz`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<DeployOptions>();
      const asked =
        options.json === true ? 'json' : options.plain === true ? 'plain' : options.output;
      const output = outputFor(asked, process.env, process.stdout.isTTY);
      const show = showFor(output, process.env);
      let isEndedAtOnce = false;
      try {
        const { result, ...ended } = await release(name, options, show);
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
    });
}

async function release(
  name: string,
  options: DeployOptions,
  show: Show,
): Promise<{ readonly result: ReleaseResult; readonly isEndedAtOnce: boolean }> {
  const { Interrupts, runRelease } = await import('../../release.ts');
  const target = await releaseTarget(name, options);
  const { force = false, allowDowntime = false, skipBuild = false } = options;
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
    const flags = { ...target, force, allowDowntime, skipBuild, interrupts };
    const { onEvent, onSecrets } = show;
    const result = await runRelease({ ...flags, onEvent, onSecrets });
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
