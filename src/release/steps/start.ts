// Start: the new process exists, and its record is on the disk. Not where a person has the server.

import { done } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { takenOut } from './claim.ts';

export const start: StepDefinition<'start'> = {
  touches: true,
  facts: ({ version, argv }) => ({ version, command: argv.join(' ') }),
  run: async (step, run) => {
    const { driver, record } = run;
    // A stop may last for a while, in which a person may have taken the server to work on it.
    const taken = takenOut(run, await run.serverNow(), 'before it was started');
    if (taken !== null) return taken;
    const launch =
      step.origin === 'proven' && record.proven !== null
        ? record.proven
        : driver.launchOf(step.version);
    try {
      const process = await driver.start(launch, run.release.id);
      await run.save({ process });
    } finally {
      // A command may have given another secret than before.
      for (const secret of await driver.secretsOf(launch)) run.release.secrets.add(secret);
    }
    const { process } = run;
    return done({ pid: process === null ? 0 : (await driver.state(process.handle)).pid });
  },
};
