// Register: the server's record is written while it is down, and the server is the release's before
// that goes: nobody sends it requests until it is admitted.

import { done } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';

export const register: StepDefinition<'register'> = {
  touches: false,
  facts: () => ({}),
  run: async (_, run) => {
    const { service, instance } = run;
    const { control, owner, id } = run.release;
    run.isRegistered = true;
    await control.register(service.upstream, instance, { owner, down: true });
    const reason = `release ${id} has registered it`;
    await control.setAdmin(service.upstream, instance, { state: 'drain', owner, reason });
    await control.register(service.upstream, instance, { owner, down: false });
    return done({});
  },
};
