// `sluice deploy`: carries out a plan and shows it as it goes: a live table on a terminal, a line per
// event elsewhere, NDJSON with --json. The last block says who serves what; the exit code says the
// same to scripts.

import type { Command } from 'commander';
import { ENDING, onHabitualSignals } from '../../base/signals.ts';
import type { ReleaseEvent, ReleaseResult } from '../../release.ts';
import { keepGoingWithoutReaders, paint, remark } from '../output.ts';
import { eventLine, Heartbeat } from '../views/event-lines.ts';
import { fold, LiveScreen, liveLines, NOTHING_YET } from '../views/live-view.ts';
import { resultText } from '../views/result-view.ts';
import { addReleaseOptions, type ReleaseVerbOptions, releaseTarget } from './service.ts';

const REDRAW_EVERY_MS = 100;
const LOOK_EVERY_MS = 1000;
/** For a terminal that does not tell its width. */
const COLUMNS_UNKNOWN = 80;
/** SIGHUP too: it comes when the terminal is closed. */
const SIGNALS = [...ENDING, 'SIGHUP'] as const;

type DeployOptions = ReleaseVerbOptions & { readonly plain?: boolean };

/** Where events go. `close` is called once, after the last one. */
type Show = {
  readonly onEvent: (event: ReleaseEvent) => void;
  /** A remark that is no event. */
  readonly remark: (text: string) => void;
  readonly close: () => void;
};

export function defineDeploy(verb: Command): void {
  addReleaseOptions(verb)
    .summary('release a version, instance by instance')
    .description(
      'Release a version, instance by instance: each is drained before it is stopped, so that no request through this gateway is lost.',
    )
    .option('--plain', 'a line per event, also on a terminal')
    .option('--json', 'one JSON event per line; the last is the result')
    .addHelpText(
      'after',
      `
Per instance: guard, drain until nothing is in flight, stop, start, check,
admit. An instance that fails is brought back to the version that served before;
the others are not touched. Ctrl-C stops at the next safe point, twice at once;
run the same command again to go on.

Drained, counted and "in pool" hold for all gateways that share the registry. A
gateway that could not be heard is named, and the receipt is INCOMPLETE then.

Exit codes: 0 released or nothing to do, 1 failed (see the last block), 3
refused by preflight, 4 another release runs, 5 too little capacity, 7 the old
version could not be brought back, 9 control plane not reachable, 130
interrupted.

Example:
  $ sluice deploy app --version v2`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<DeployOptions>();
      const { Interrupts, runRelease } = await import('../../release.ts');
      const { service, control } = await releaseTarget(name, options);
      const interrupts = new Interrupts();
      const { version, force = false, allowDowntime = false } = options;
      // When the reader of the output goes away, the release goes on: it may be between two steps.
      keepGoingWithoutReaders();
      onHabitualSignals(() => {});
      const show = showFor(options);
      const stopListening = onSignals((signal) => {
        interrupts.raise(signal);
        const isSecond = interrupts.hard.aborted;
        const text = isSecond
          ? 'stopping at once'
          : 'stopping at the next safe point; again to stop at once';
        show.remark(`sluice: ${signal}: ${text}`);
      });
      let result: ReleaseResult;
      try {
        const flags = { service, version, control, force, allowDowntime, interrupts };
        result = await runRelease({ ...flags, onEvent: show.onEvent });
      } finally {
        show.close();
        stopListening();
      }
      if (options.json !== true) process.stdout.write(resultText(result, paint));
      process.exitCode = result.exit;
      // Started instances do not need this process; after a second interrupt a wait may still keep it.
      if (interrupts.hard.aborted) process.exit(result.exit);
    });
}

function showFor(options: DeployOptions): Show {
  if (options.json === true) {
    const onEvent = (event: ReleaseEvent): void => {
      process.stdout.write(`${JSON.stringify(event)}\n`);
    };
    return { onEvent, remark, close: () => {} };
  }
  return process.stdout.isTTY && options.plain !== true ? showLive() : showLines();
}

function showLive(): Show {
  const screen = new LiveScreen((text) => process.stdout.write(text));
  let state = NOTHING_YET;
  const draw = (stay: readonly string[]): void => {
    const width = (process.stdout.columns || COLUMNS_UNKNOWN) - 1;
    screen.draw(stay, liveLines(state, Date.now(), width, paint));
  };
  const timer = setInterval(() => draw([]), REDRAW_EVERY_MS);
  return {
    onEvent: (event) => {
      const next = fold(state, event, paint);
      state = next.state;
      draw(next.lines);
    },
    remark: (text) => draw([text]),
    close: () => clearInterval(timer),
  };
}

function showLines(): Show {
  const heartbeat = new Heartbeat(performance.now());
  const say = (line: string): void => {
    if (line !== '') process.stdout.write(`${line}\n`);
  };
  const timer = setInterval(() => say(heartbeat.line(performance.now())), LOOK_EVERY_MS);
  return {
    onEvent: (event) => {
      heartbeat.saw(event, performance.now());
      say(eventLine(event));
    },
    remark,
    close: () => clearInterval(timer),
  };
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
