// Activate: the link leads to the version that is started next. Who starts by it (a unit of systemd, a
// person) gets the version that the release has put there; a process of ours starts in the folder itself.

import { switchLink } from '../artifact.ts';
import { done, failed } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { takenOut } from './claim.ts';

export const activate: StepDefinition<'activate'> = {
  touches: true,
  facts: ({ link, release }) => ({ link, release }),
  run: async (step, run) => {
    const taken = takenOut(run, await run.serverNow(), 'before it was started');
    if (taken !== null) return taken;
    const trouble = await switchLink(run.host, step, run.claim);
    return trouble === '' ? done({}) : failed('release_failed', trouble);
  },
};
