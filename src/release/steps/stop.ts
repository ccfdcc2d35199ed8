// Stop: the old process and all that it has started end, and its port is closed.

import { formatDuration } from '../../base/units.ts';
import { done, failed } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { claimOn } from './claim.ts';

export const stop: StepDefinition<'stop'> = {
  touches: true,
  facts: ({ pid, timeoutMs }) => ({ pid, deadline: formatDuration(timeoutMs) }),
  run: async ({ timeoutMs }, run) => {
    const { driver, process, wait } = run;
    const server = await run.serverNow();
    const claim = server === undefined ? '' : claimOn(server, run.release.owner);
    if (claim !== '') return { kind: 'taken_over', reason: `${claim} before it was stopped` };
    const { facts, trouble } = await driver.stop(process?.handle ?? null, { timeoutMs, wait });
    if (trouble !== '') return failed('release_failed', trouble);
    await run.save({ process: null });
    return done(facts);
  },
};
