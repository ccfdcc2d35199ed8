// Drain: over when every worker has acknowledged and nothing is in flight, not after a time. While it
// lasts, the rest of the pool is watched.

import { formatDuration } from '../../base/units.ts';
import type { Facts } from '../events.ts';
import { done, failed } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { claimOn } from './claim.ts';
import { otherGateways, tooFewOthers } from './pool.ts';

const LOOK_EVERY_MS = 500;
/** What may come between a drain and the stop: a hook. */
const HOLD_MORE_MS = 120_000;

export const drain: StepDefinition<'drain'> = {
  touches: false,
  facts: ({ timeoutMs, onTimeout }) => {
    return { deadline: formatDuration(timeoutMs), on_timeout: onTimeout };
  },
  run: async (step, run) => {
    const { release, instance, service } = run;
    const { control, owner } = release;
    const { soft } = release.options.interrupts;
    const deadlineMs = performance.now() + step.timeoutMs;
    // A runner that dies in the drain cannot take it back: then it ends by itself.
    await run.keep('hold', step.timeoutMs + HOLD_MORE_MS);
    for (;;) {
      if (soft.aborted) return failed('interrupted', 'interrupted while draining');
      const leftMs = Math.max(0, deadlineMs - performance.now());
      const sliceMs = Math.min(LOOK_EVERY_MS, leftMs);
      const state = await control.awaitIdle(service.upstream, instance, Math.ceil(sliceMs));
      const { inFlight, acknowledged } = state;
      const lasting = lastingFacts(state);
      const claim = claimOn(state, owner);
      if (claim !== '') return { kind: 'taken_over', reason: `${claim} while it drained` };
      const failure = run.isTakenBack ? null : await release.released.findDead();
      if (failure !== null) return { kind: 'failed', failure };
      if (step.need !== null) {
        const few = tooFewOthers(await release.servers(), instance, step.need);
        if (few !== null) return few;
      }
      if (state.idle) return done({ cut: 0, ...otherGateways(state.scope) });
      if (leftMs > 0) {
        run.wait({ in_flight: inFlight, ...lasting, acknowledged });
        continue;
      }
      const waited = formatDuration(step.timeoutMs);
      if (step.onTimeout === 'proceed') {
        // What becomes of them is seen later, and in the receipt: some may end, or be sent elsewhere.
        return done({ left: inFlight, ...lasting, waited, ...otherGateways(state.scope) });
      }
      const workers = acknowledged ? '' : ', not acknowledged by every worker';
      const reason = `drain not over after ${waited}: ${inFlight} in flight${workers}`;
      return failed('release_failed', `${reason} (drain.on_timeout: halt)`);
    }
  },
};

/** What of it would not end by itself. */
function lastingFacts({ tunnels, streams }: { tunnels: number; streams: number }): Facts {
  return { ...(tunnels > 0 ? { tunnels } : {}), ...(streams > 0 ? { streams } : {}) };
}
