// `sluice rollback`: back to the version that served last, or to a named one.

import type { Command } from 'commander';
import type { GlobalOptions } from '../../client/target.ts';
import { addOutputOptions, type OutputOptions, runShown } from '../release-run.ts';
import { rollbackRun } from './rollback-run.ts';

type Options = GlobalOptions &
  OutputOptions & {
    readonly to?: string;
    readonly message: string;
    readonly allowDowntime?: boolean;
  };

export function defineRollback(verb: Command): void {
  addOutputOptions(
    verb
      .argument('<service>', 'a service of the configuration')
      .option('--to <version>', 'a version that has succeeded before')
      .requiredOption('-m, --message <why>', 'why; kept in the history')
      .option('--allow-downtime', 'let the last eligible server go'),
  )
    .summary('go back to the version that served before')
    .description('Go back to the version that served before, instance by instance.')
    .addHelpText(
      'after',
      `
The version is the last one that was released to every instance and was not
rolled back itself. Nothing is built or uploaded; guard, drain and check hold as
in a deploy, and what is at that version already is left alone.

Exit codes are those of deploy; 3 where there is no version to go back to.

Example:
  $ sluice rollback app -m "checkout fails"
  $ sluice rollback app --to v41 -m "v42 and v43 are slow"`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const { to = '', message: why, allowDowntime = false } = options;
      await runShown(options, async () => {
        return { ...(await rollbackRun(name, to, options)), why, allowDowntime };
      });
    });
}
