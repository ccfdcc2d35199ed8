// How a verb that runs long meets signals. The first SIGTERM, SIGINT, SIGQUIT or SIGPWR asks for a
// graceful stop within a deadline, the second ends the process at once. SIGHUP does the same when the
// terminal went away. Every other signal that somebody may send is answered by a remark.

import { constants } from 'node:os';
import { isatty } from 'node:tty';
import {
  ENDING,
  type EndingSignal,
  type HabitualSignal,
  onHabitualSignals,
} from '../base/signals.ts';
import { formatDuration } from '../base/units.ts';
import { remark } from './output.ts';

/** How long after its deadline `close` may still take, ms. */
const GRACE_MS = 5_000;
const EXIT_OVERDUE = 1;
/** The same remark again within that time is left out, ms. */
const REMARK_EVERY_MS = 1_000;

type Closing = {
  /** Finishes what is in flight; must resolve within timeoutMs. */
  readonly close: () => Promise<void>;
  /** Ends what would outlive the process (workers), without waiting. */
  readonly kill: () => void;
  readonly timeoutMs: number;
};

/** What a signal did; called when it comes, the text is the remark. */
export type SignalRemarks = Partial<Record<HabitualSignal, () => string>>;

const REMARKS: SignalRemarks = {
  SIGHUP: () => 'there is nothing to reload',
  SIGUSR1: () => 'there is no log file to open anew; this log is standard error',
  SIGUSR2: () => 'no new program takes over here; restart to run another version',
  SIGWINCH: () => 'nothing is shut down by it; SIGTERM is the graceful end',
  SIGTTIN: () =>
    'the number of workers is "workers" in the configuration; sluice reload puts it in force',
  SIGTTOU: () =>
    'the number of workers is "workers" in the configuration; sluice reload puts it in force',
  SIGTSTP: () => 'not stopped; SIGTERM is the graceful end',
  SIGXCPU: () => 'the limit of processor time is reached; at the hard limit the system ends this',
};

export class LongRun {
  readonly #remarks: SignalRemarks;
  /** Asked at the start: once a terminal is gone, isatty(0) is false. */
  readonly #hadTerminal = isatty(0);
  readonly #saidMs = new Map<HabitualSignal, number>();
  /** Until there is something to close, the process just ends. */
  #end = (signal: EndingSignal | 'SIGHUP'): void => process.exit(128 + constants.signals[signal]);

  /** From now on no signal ends, stops or opens anything by mistake. */
  constructor(remarks: SignalRemarks = {}) {
    this.#remarks = { ...REMARKS, ...remarks };
    onHabitualSignals((signal) => {
      if (signal === 'SIGHUP' && this.#hadTerminal && !isatty(0)) this.#end(signal);
      else this.#remark(signal);
    });
  }

  /** While it starts, the system's own end would leave behind what `finish` tells to end; until `untilEnded`. */
  beforeEarlyEnd(finish: () => void): void {
    const end = this.#end;
    this.#end = (signal) => {
      finish();
      end(signal);
    };
    for (const signal of ENDING) process.on(signal, this.#onEnding);
  }

  readonly #onEnding = (signal: EndingSignal): void => this.#end(signal);

  /** Resolves when the process was asked to end and everything is closed. */
  async untilEnded({ close, kill, timeoutMs }: Closing): Promise<void> {
    const first = Promise.withResolvers<void>();
    let isClosing = false;
    this.#end = (signal) => {
      if (isClosing) {
        remark(`sluice: second ${signal}: ended at once`);
        kill();
        process.exit(128 + constants.signals[signal]);
      }
      isClosing = true;
      remark(
        `sluice: ${signal}: finishing what is in flight, at most ${formatDuration(timeoutMs)}; again to end at once`,
      );
      first.resolve();
    };
    for (const signal of ENDING) process.off(signal, this.#onEnding).on(signal, this.#onEnding);
    await first.promise;
    // It did not close in time: end without it.
    const overdue = setTimeout(() => {
      remark(`sluice: not closed ${formatDuration(GRACE_MS)} after shutdown_timeout: ended anyway`);
      kill();
      process.exit(EXIT_OVERDUE);
    }, timeoutMs + GRACE_MS);
    try {
      await close();
    } finally {
      clearTimeout(overdue);
      for (const signal of ENDING) process.off(signal, this.#onEnding);
    }
  }

  #remark(signal: HabitualSignal): void {
    const text = this.#remarks[signal]?.() ?? 'it has no meaning here; nothing changes';
    const nowMs = performance.now();
    const saidMs = this.#saidMs.get(signal);
    if (saidMs !== undefined && nowMs - saidMs < REMARK_EVERY_MS) return;
    this.#saidMs.set(signal, nowMs);
    remark(`sluice: ${signal}: ${text}`);
  }
}
