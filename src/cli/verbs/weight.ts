// `sluice weight`: the share of requests of one server, written into its registry record.

import { type Command, InvalidArgumentError } from 'commander';
import type { Control } from '../../admin.ts';
import { assertServer, controlOf, type GlobalOptions } from '../client/target.ts';
import { print, printJson, visible, warn } from '../output.ts';

const WEIGHT_MAX = 65_535;

export function defineWeight(verb: Command): void {
  verb
    .summary('set the share of requests of a server')
    .description("Set a server's share of requests in its registry record.")
    .argument('<upstream>')
    .argument('<server>', 'host:port')
    .argument('<weight>', `1 to ${WEIGHT_MAX}`, parseWeight)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ sluice weight app 127.0.0.1:9001 5')
    .action(
      async (upstream: string, server: string, weight: number, _: unknown, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions>();
        const control = await controlOf(options);
        await assertServer(control, upstream, server, 'weight');
        await control.setWeight(upstream, server, weight);
        if (options.json === true) printJson({ upstream, server, weight });
        else print(`${server} of ${upstream}: weight ${weight}`);
        await sayProblems(control, upstream, server);
      },
    );
}

/** Warns of what the gateway cannot read in the record; the write kept its other attributes. */
async function sayProblems(control: Control, upstream: string, server: string): Promise<void> {
  // The weight is written, so the verb succeeds even when the status cannot be read.
  const status = await control.status().catch(() => undefined);
  const found = status?.upstreams.find(({ name }) => name === upstream);
  for (const { server: about, key, message } of found?.problems ?? []) {
    if (about === server) warn(visible(`${key}: ${message}`));
  }
}

function parseWeight(text: string): number {
  const weight = Number(text);
  if (/^\d{1,5}$/.test(text) && weight >= 1 && weight <= WEIGHT_MAX) return weight;
  throw new InvalidArgumentError(
    `It is a whole number from 1 to ${WEIGHT_MAX}; to take a server out, use drain.`,
  );
}
