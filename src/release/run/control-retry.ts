// A control plane that is away for a moment (it restarts, its machine is busy) is no reason to give
// up a release half-way: calls that found nobody, or got no answer, are made again for a while.
// Every call of ReleaseControl may be repeated: admin changes name the state wanted, not a difference.

import { isSluiceError } from '../../base/errors.ts';
import type { ReleaseControl } from '../control.ts';
import { pause } from '../wait.ts';

const RETRY_EVERY_MS = 250;

/** `stop` ends the waiting, not a call that is under way. */
export function withRetry(
  control: ReleaseControl,
  options: {
    readonly retryForMs: number;
    readonly stop: AbortSignal;
    /** Nobody answered for so long, ms: told after each try. */
    readonly onAway?: (ms: number) => void;
  },
): ReleaseControl {
  const retry = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    const deadlineMs = performance.now() + options.retryForMs;
    let askedMs = performance.now();
    for (;;) {
      try {
        return await call();
      } catch (error) {
        const isAway =
          isSluiceError(error) && (error.code === 'unreachable' || error.code === 'timeout');
        if (!isAway || options.stop.aborted || performance.now() >= deadlineMs) throw error;
      }
      await pause(RETRY_EVERY_MS, options.stop);
      options.onAway?.(performance.now() - askedMs);
      askedMs = performance.now();
    }
  };
  return {
    status: () => retry(() => control.status()),
    setAdmin: (upstream, server, change) => retry(() => control.setAdmin(upstream, server, change)),
    awaitIdle: (upstream, server, timeoutMs) =>
      retry(() => control.awaitIdle(upstream, server, timeoutMs)),
    openReceipt: (upstream) => retry(() => control.openReceipt(upstream)),
    readReceipt: (id) => control.readReceipt(id),
  };
}
