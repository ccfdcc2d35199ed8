// Admit: the server is put back into traffic, but only while it is ours; over when every worker of every
// gateway may pick it.

import { formatDuration } from '../../base/units.ts';
import { isCapacity } from '../../model.ts';
import { isServing, type PoolServer } from '../control.ts';
import { done, failed, serverRemoved } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { pause } from '../wait.ts';
import { otherGateways, REMOVED_AFTER_MS } from './pool.ts';

const LOOK_EVERY_MS = 50;
/** The first looks: mostly all have confirmed it within milliseconds. */
const LOOK_SOON_MS = 10;
const SOON_MS = 100;
/** How long an admitted server may take until it is eligible. */
const DEADLINE_MS = 15_000;
/** How long until all have confirmed it: a gateway that died counts until its lease has run out. */
const SETTLED_DEADLINE_MS = 90_000;

export const admit: StepDefinition<'admit'> = {
  touches: true,
  facts: () => ({}),
  run: async (_, run) => {
    const { service, instance } = run;
    const { control, owner } = run.release;
    // What comes after is the new version's.
    await run.release.traffic?.marked(instance);
    const change = { state: 'ready', owner, reason: '', ifOwner: owner } as const;
    await control.setAdmin(service.upstream, instance, change);
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
      if (server?.settled === true && isServing(server)) {
        await run.keep('on');
        return done(otherGateways(status.scope));
      }
      if (server !== undefined && server.admin.state !== 'ready' && !server.givenBack) {
        const { state, owner: other } = server.admin;
        const reason = `healthy, but left in ${state} by ${other === '' ? 'somebody' : other}`;
        return { kind: 'taken_over', reason };
      }
      const nowMs = performance.now();
      if (server !== undefined) seenMs = nowMs;
      else if (nowMs - seenMs >= REMOVED_AFTER_MS) return serverRemoved(service.upstream);
      const eligibility = server === undefined ? 'gone' : wordOf(server);
      const known = server?.settled === true ? '' : ', not acknowledged by everybody';
      const deadlineMs = server?.settled === false ? SETTLED_DEADLINE_MS : DEADLINE_MS;
      if (nowMs - startedMs > deadlineMs) {
        const reason = `not in traffic ${formatDuration(deadlineMs)} after it was admitted`;
        return failed('release_failed', `${reason}: ${eligibility}${known}`);
      }
      run.wait({ eligibility, settled: server?.settled === true });
      await pause(nowMs - startedMs < SOON_MS ? LOOK_SOON_MS : LOOK_EVERY_MS);
    }
  },
};

/** Why it takes no requests, here or where it does not. */
function wordOf({ eligibility, outElsewhere }: PoolServer): string {
  const [other] = outElsewhere;
  if (isCapacity(eligibility) && other !== undefined)
    return `${other.eligibility} on ${other.gateway}`;
  return eligibility;
}
