// `sluice reload`: the gateway reads its configuration file again.

import type { Command } from 'commander';
import { controlOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, visible, warn } from '../output.ts';
import { reloadView } from '../views/reload-view.ts';

type Options = GlobalOptions & { readonly dryRun?: boolean };

export function defineReload(verb: Command): void {
  verb
    .summary('read the configuration file again')
    .description('Have the gateway read its configuration file again, and put it in force.')
    .option('--dry-run', 'only check the file and show what would change')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
No request and no connection is lost: what is in flight ends as it began, and
servers keep their state, counters and verdicts. A file that cannot be used
changes nothing. What keeps its value until the next start is named, with the
reason. SIGHUP does the same; with reload_on_change so does a changed file.

Examples:
  $ sluice reload --dry-run
  $ sluice reload --control http://10.0.0.5:8700`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const control = await controlOf(options);
      const reloaded = await control.reload({ dryRun: options.dryRun === true });
      for (const warning of reloaded.warnings) warn(visible(warning));
      if (options.json === true) printJson(reloaded);
      else print(reloadView(reloaded, paint));
    });
}
