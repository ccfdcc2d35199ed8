// Deregister: the end of an instance that is not in the list any more. Its server's record goes, and what
// we have kept of it.

import { removeRecord, retiredContent } from '../journal/instance-record.ts';
import { done } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';

export const deregister: StepDefinition<'deregister'> = {
  touches: true,
  facts: () => ({}),
  run: async (_, run) => {
    const { service, instance, found } = run;
    const { control, owner } = run.release;
    if (found.server !== undefined) {
      await control.deregister(service.upstream, instance, { owner });
    }
    run.release.shareInstance(instance, retiredContent(instance));
    await removeRecord(service, instance);
    return done({});
  },
};
