// `sluice status`: who takes traffic, who not and why; the workers; the registry.

import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { StatusDocument } from '../../admin.ts';
import { messageOf, SluiceError } from '../../base/errors.ts';
import { controlOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, widthOf } from '../output.ts';
import { statusView } from '../views/status-view.ts';

const WATCH_MS = 1000;
/** Cursor home, then clear to the end: no flicker, and the scrollback stays. */
const HOME = '\x1b[H\x1b[J';

type StatusOptions = GlobalOptions & { readonly watch?: boolean };

export function defineStatus(verb: Command): void {
  verb
    .summary('show who takes traffic, who not and why')
    .description('Show who takes traffic, who not and why; workers; registry.')
    .argument('[upstream]', 'only this upstream')
    .option('--json', 'print the document of the control API')
    .option('-w, --watch', 'refresh every second until interrupted')
    .addHelpText(
      'after',
      `
STATE is ok, or why the server takes no new requests: maint, drain,
unresolved (its name has no address), down (failed its checks), unchecked (has
not passed yet), ejected (failed requests), full. In panic are servers that
fail their checks and take requests, because too few pass (panic_threshold).

Examples:
  $ sluice status
  $ sluice status app --json | jq '.upstreams[0].eligible'`,
    )
    .action(async (upstream: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<StatusOptions>();
      const control = await controlOf(options);
      const read = async (): Promise<StatusDocument> => only(await control.status(), upstream);
      if (options.watch === true) return watch(read, options);
      const status = await read();
      if (options.json === true) printJson(status);
      else print(view(status));
    });
}

function only(status: StatusDocument, upstream: string | undefined): StatusDocument {
  if (upstream === undefined) return status;
  const upstreams = status.upstreams.filter((document) => document.name === upstream);
  if (upstreams.length > 0) return { ...status, upstreams };
  const known = status.upstreams.map((document) => document.name).join(', ');
  throw new SluiceError('not_found', `there is no upstream "${upstream}"; known: ${known}`);
}

function view(status: StatusDocument): string {
  return statusView(status, { nowMs: Date.now(), paint, width: widthOf(process.stdout) });
}

/** On a terminal the screen is redrawn; elsewhere a block (or a JSON line) per change. */
async function watch(read: () => Promise<StatusDocument>, options: StatusOptions): Promise<never> {
  let shown = '';
  for (;;) {
    let text: string;
    let key: string;
    try {
      const status = await read();
      text = options.json === true ? `${JSON.stringify(status)}\n` : view(status);
      key = JSON.stringify(status);
    } catch (error) {
      // The daemon may be restarting: say so and go on.
      text = `${paint('red', messageOf(error))}\n`;
      key = text;
    }
    if (process.stdout.isTTY && options.json !== true) process.stdout.write(HOME + text);
    else if (key !== shown) process.stdout.write(text);
    shown = key;
    await delay(WATCH_MS);
  }
}
