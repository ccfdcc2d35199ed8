// How a long-running verb ends: the first SIGTERM or SIGINT asks for a graceful stop within a
// deadline, the second ends the process at once. SIGHUP does the same when the terminal went away;
// otherwise somebody is used to reload with it, and it must not end the service.

import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { formatDuration } from '../base/units.ts';
import { note } from './output.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** Beyond the deadline given to `close`, for it to notice. */
const GRACE_MS = 5_000;
const EXIT_OVERDUE = 1;

type Closing = {
  /** Finishes what is in flight; must resolve within timeoutMs. */
  readonly close: () => Promise<void>;
  /** Ends what would outlive the process (workers), without waiting. */
  readonly kill: () => void;
  readonly timeoutMs: number;
};

/** Resolves when the process was asked to end and everything is closed. */
export async function untilEnded({ close, kill, timeoutMs }: Closing): Promise<void> {
  const first = Promise.withResolvers<void>();
  let isClosing = false;
  const onSignal = (signal: (typeof SIGNALS)[number] | 'SIGHUP'): void => {
    if (isClosing) {
      note(`sluice: second ${signal}: ended at once`);
      kill();
      process.exit(128 + constants.signals[signal]);
    }
    isClosing = true;
    note(
      `sluice: ${signal}: finishing what is in flight, at most ${formatDuration(timeoutMs)}; again to end at once`,
    );
    first.resolve();
  };
  // Now: of a terminal that went away it is not known any more.
  const hasTerminal = isatty(0);
  const onHangUp = (): void => {
    if (hasTerminal) onSignal('SIGHUP');
    else
      note('sluice: SIGHUP: there is nothing to reload; restart to apply a changed configuration');
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.on('SIGHUP', onHangUp);
  await first.promise;
  // What does not close in time must not keep the process: an orderly end is no longer to be had.
  const overdue = setTimeout(() => {
    note(`sluice: not closed ${formatDuration(GRACE_MS)} after shutdown_timeout: ended anyway`);
    kill();
    process.exit(EXIT_OVERDUE);
  }, timeoutMs + GRACE_MS);
  try {
    await close();
  } finally {
    clearTimeout(overdue);
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.off('SIGHUP', onHangUp);
  }
}
