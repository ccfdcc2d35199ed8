// Guard: asks the control plane to drain the server, in one piece with the question whether enough
// others stay eligible. Refused, it asks again until its time is over.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import { isServing } from '../control.ts';
import type { InstanceRun } from '../run.ts';
import { done, failed } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { pause } from '../wait.ts';

const ASK_EVERY_MS = 500;

export const guard: StepDefinition<'guard'> = {
  touches: false,
  facts: ({ need }) => (need === null ? {} : { need }),
  run: async (step, run) => {
    const { release, instance, service } = run;
    const { control, owner } = release;
    const { soft } = release.options.interrupts;
    for (;;) {
      if (soft.aborted) return failed('interrupted', 'interrupted before anything was changed');
      const failure = run.isTakenBack ? null : await release.released.findFailed(run.wait);
      if (failure !== null) return { kind: 'failed', failure };
      const askedMs = performance.now();
      const awayMs = release.awayMs;
      try {
        const need = step.need ?? (await needNow(run));
        const state = await control.setAdmin(service.upstream, instance, {
          state: 'drain',
          owner,
          reason: `release ${release.id}`,
          ifOwner: step.takeOver === '' ? owner : step.takeOver,
          ...(need === null ? {} : { keepEligible: need }),
        });
        return done({ in_flight: state.inFlight });
      } catch (error) {
        if (!isSluiceError(error)) throw error;
        // A repeated call, whose first answer was lost on the way, finds the server ours already.
        if (error.code === 'conflict' && (await isOurs(run))) return done({});
        if (error.code !== 'guard_refused') throw error;
        // A refusal may take seconds, in which others were asked; who finds nobody does not wait for them.
        const away = release.awayMs - awayMs;
        run.guardWaitedMs += Math.max(0, performance.now() - askedMs - away);
        if (run.guardWaitedMs >= step.waitMs) {
          const waited = formatDuration(step.waitMs);
          return failed('guard_refused', `${messageOf(error)} (waited ${waited})`);
        }
        run.wait({ for: 'capacity', refused: messageOf(error) });
      }
      const waitMs = Math.min(ASK_EVERY_MS, step.waitMs - run.guardWaitedMs);
      await pause(waitMs, soft);
      run.guardWaitedMs += waitMs;
    }
  },
};

/** One that served nobody when the plan was made may serve by now: then it costs as much as any other. */
async function needNow(run: InstanceRun): Promise<number | null> {
  // Who stops them all wants none to stay; and where nothing runs, nothing is lost.
  if (run.isTakenBack || run.release.options.kind === 'stop' || run.process === null) return null;
  const server = await run.serverNow();
  return server !== undefined && isServing(server) ? run.release.need : null;
}

async function isOurs(run: InstanceRun): Promise<boolean> {
  const server = await run.server();
  return server?.admin.state === 'drain' && server.admin.owner === run.release.owner;
}
