// Start: the new process exists, and its record is on the disk.

import { startInstance } from '../drivers/command.ts';
import { launchOf } from '../drivers/launch.ts';
import { done } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';

export const start: StepDefinition<'start'> = {
  touches: true,
  facts: ({ version, argv }) => ({ version, command: argv.join(' ') }),
  run: async (step, run) => {
    const { service, instance, address, record } = run;
    const launch =
      step.origin === 'proven' && record.proven !== null
        ? record.proven
        : launchOf(service, address, step.version);
    run.running = await startInstance({ service, instance, launch, release: run.release.id });
    await run.save({ process: run.running.process });
    return done({ pid: run.running.process.pid });
  },
};
