// Start: the new process exists, and its record is on the disk.

import { done } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';

export const start: StepDefinition<'start'> = {
  touches: true,
  facts: ({ version, argv }) => ({ version, command: argv.join(' ') }),
  run: async (step, run) => {
    const { driver, record } = run;
    const launch =
      step.origin === 'proven' && record.proven !== null
        ? record.proven
        : driver.launchOf(step.version);
    const process = await driver.start(launch, run.release.id);
    await run.save({ process });
    return done({ pid: (await driver.state(process.handle)).pid });
  },
};
