// Admit: the server is put back into traffic, but only while it is ours; over when every worker may
// pick it.

import { formatDuration } from '../../base/units.ts';
import { isServing } from '../control.ts';
import { done, failed, serverRemoved } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { pause } from '../wait.ts';
import { otherGateways, REMOVED_AFTER_MS } from './pool.ts';

const LOOK_EVERY_MS = 50;
/** How long an admitted server may take until all workers send it requests. */
const DEADLINE_MS = 15_000;

export const admit: StepDefinition<'admit'> = {
  touches: true,
  facts: () => ({}),
  run: async (_, run) => {
    const { service, instance } = run;
    const { control, owner } = run.release;
    const change = { state: 'ready', owner, reason: '', ifOwner: owner } as const;
    const { generation } = await control.setAdmin(service.upstream, instance, change);
    const startedMs = performance.now();
    let seenMs = startedMs;
    for (;;) {
      const ended = await run.ended();
      if (ended !== '') {
        return failed('release_failed', `process ${ended} after it had passed its check`);
      }
      const status = await control.status();
      const upstream = status.upstreams.find((candidate) => candidate.name === service.upstream);
      const server = upstream?.servers.find((candidate) => candidate.id === instance);
      const behind = status.workers.filter((worker) => worker.generation < generation).length;
      if (behind === 0 && server !== undefined && isServing(server)) {
        return done(otherGateways(status.scope));
      }
      if (server !== undefined && server.admin.state !== 'ready') {
        const { state, owner: other } = server.admin;
        const reason = `healthy, but left in ${state} by ${other === '' ? 'somebody' : other}`;
        return { kind: 'taken_over', reason };
      }
      const nowMs = performance.now();
      if (server !== undefined) seenMs = nowMs;
      else if (nowMs - seenMs >= REMOVED_AFTER_MS) return serverRemoved(service.upstream);
      const eligibility = server?.eligibility ?? 'gone';
      if (nowMs - startedMs > DEADLINE_MS) {
        const reason = `not in traffic ${formatDuration(DEADLINE_MS)} after it was admitted`;
        return failed('release_failed', `${reason}: ${eligibility}, ${behind} workers behind`);
      }
      run.wait({ eligibility, workers_behind: behind });
      await pause(LOOK_EVERY_MS);
    }
  },
};
