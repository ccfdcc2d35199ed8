// How a long-running verb ends: the first SIGTERM or SIGINT asks for a graceful stop within a
// deadline, the second ends the process at once.

import { constants } from 'node:os';
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
  const onSignal = (signal: (typeof SIGNALS)[number]): void => {
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
  for (const signal of SIGNALS) process.on(signal, onSignal);
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
  }
}
