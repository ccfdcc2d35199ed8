// `sluice events`: who changed what through the control API of a gateway.

import { type Command, InvalidArgumentError } from 'commander';
import { controlOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, widthOf } from '../output.ts';
import { eventsView } from '../views/events-view.ts';

const LAST = 20;
const LAST_MAX = 1000;

type EventsOptions = GlobalOptions & { readonly last: number };

export function defineEvents(verb: Command): void {
  verb
    .summary('show who changed what')
    .description('Show who changed what through the control API of this gateway.')
    .option('-n, --last <n>', `the newest so many, at most ${LAST_MAX}`, parseLast, LAST)
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      `
WHO is the token's name, where tokens are asked for, and the owner that the
request names. The file admin.audit_log of the gateway that was asked has all
changes, also those that were refused.

Example:
  $ sluice events -n 100`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<EventsOptions>();
      const control = await controlOf(options);
      const { events } = await control.events(options.last);
      if (options.json === true) printJson(events);
      else if (events.length === 0) print('no changes through this control API');
      else print(eventsView(events, { paint, width: widthOf(process.stdout) }));
    });
}

function parseLast(text: string): number {
  const count = Number(text);
  if (/^\d{1,4}$/.test(text) && count >= 1 && count <= LAST_MAX) return count;
  throw new InvalidArgumentError(`It is a whole number from 1 to ${LAST_MAX}.`);
}
