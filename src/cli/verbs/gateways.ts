// `sluice gateways`: which gateways share the registry, and how far each of them is.

import type { Command } from 'commander';
import { controlOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, widthOf } from '../output.ts';
import { gatewaysView } from '../views/gateways-view.ts';

export function defineGateways(verb: Command): void {
  verb
    .summary('show the gateways that share the registry')
    .description('Show the gateways that share the registry, and how far each of them is.')
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      `
STATE is live, or silent: the gateway has stopped renewing its lease without a
goodbye. It may have died, or only lost the registry and go on serving: drains
and releases name it and do not wait for it. LAG is how far the servers that it
has are behind the registry as the gateway asked sees it.

Example:
  $ sluice gateways --control 10.0.0.5:8700`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const control = await controlOf(options);
      const status = await control.status();
      if (options.json === true) printJson(status.gateways);
      else
        print(gatewaysView(status, { nowMs: Date.now(), paint, width: widthOf(process.stdout) }));
    });
}
