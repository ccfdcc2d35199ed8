// How a long-running verb ends: the first SIGTERM or SIGINT asks for a graceful stop within a
// deadline, the second ends the process at once.

import { constants } from 'node:os';
import { SluiceError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import { note } from './output.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** Beyond the deadline given to `close`, for it to notice. */
const GRACE_MS = 5_000;

export type Closing = {
  /** Finishes what is in flight; must resolve within timeoutMs. */
  readonly close: () => Promise<void>;
  /** Ends what would outlive the process (workers), without waiting. */
  readonly kill: () => void;
  readonly timeoutMs: number;
};

/** Resolves when the process was asked to end and everything is closed. @throws timeout */
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
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const text = `not closed ${formatDuration(GRACE_MS)} after shutdown_timeout; ended anyway`;
      reject(new SluiceError('timeout', text));
    }, timeoutMs + GRACE_MS);
  });
  try {
    await Promise.race([close(), overdue]);
  } finally {
    clearTimeout(timer);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
