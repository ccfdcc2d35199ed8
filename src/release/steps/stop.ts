// Stop: the old process and all that it has started end, and its port is closed.

import { formatDuration } from '../../base/units.ts';
import { stopFacts, stopInstance } from '../drivers/stop.ts';
import { done, failed } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { claimOn } from './claim.ts';

export const stop: StepDefinition<'stop'> = {
  touches: true,
  facts: ({ pid, timeoutMs }) => ({ pid, deadline: formatDuration(timeoutMs) }),
  run: async ({ timeoutMs }, run) => {
    const { service, address, running, wait } = run;
    const server = await run.serverNow();
    const claim = server === undefined ? '' : claimOn(server.admin, run.release.owner);
    if (claim !== '') return { kind: 'taken_over', reason: `${claim} before it was stopped` };
    const process = running?.process ?? null;
    const outcome = await stopInstance({ service, address, process, timeoutMs, wait });
    if (outcome.trouble !== '') return failed('release_failed', outcome.trouble);
    run.running = null;
    await run.save({ process: null });
    return done(stopFacts(outcome));
  },
};
