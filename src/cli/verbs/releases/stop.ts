// `sluice stop`: drains and stops every instance of a service.

import type { Command } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import { configOf, controlOf, type GlobalOptions } from '../../client/target.ts';
import { addOutputOptions, type OutputOptions, runShown } from '../release-run.ts';
import { originOf, serviceOf } from '../service.ts';

type Options = GlobalOptions &
  OutputOptions & { readonly yes?: boolean; readonly message?: string };

export function defineStop(verb: Command): void {
  addOutputOptions(
    verb
      .argument('<service>', 'a service of the configuration')
      .option('--yes', 'yes, stop all of it')
      .option('-m, --message <why>', 'why; kept in the history'),
  )
    .summary('drain and stop every instance of a service')
    .description('Drain and stop every instance of a service, one after the other.')
    .addHelpText(
      'after',
      `
After it nobody answers for the service. Its servers stay out of traffic until
the next deploy, which starts them again.

Example:
  $ sluice stop app --yes -m "moved to the new cluster"`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      if (options.yes !== true) {
        const what = 'stops every instance, and nobody answers for it then; add --yes';
        throw new SluiceError('usage', `sluice stop ${name}: ${what}`);
      }
      await runShown(options, async () => {
        const config = await configOf(options);
        const service = serviceOf(config, name);
        return {
          ...{
            service,
            control: await controlOf(options),
            version: '',
            why: options.message ?? '',
          },
          ...{ kind: 'stop' as const, force: false, allowDowntime: true },
          origin: originOf(config, service),
        };
      });
    });
}
