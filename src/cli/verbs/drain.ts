// `sluice drain`: no new requests for a server; what is in flight finishes, and the verb waits for it.

import type { Command } from 'commander';
import { defineTakeOut } from './take-out.ts';

export function defineDrain(verb: Command): void {
  defineTakeOut(verb, 'drain', 'take a server out; what is in flight finishes').addHelpText(
    'after',
    `
Exits 0 when nothing is in flight any more on any gateway that shares the
registry, so that the next command may stop the server; 1 when requests are
still in flight after --wait. A gateway that is silent is named, and not waited
for; while the registry is away the drain holds on this gateway alone.

Examples:
  $ sluice drain app 127.0.0.1:9001 -m "kernel update" && systemctl stop app
  $ sluice drain app 127.0.0.1:9001 --wait 2m --keep 1`,
  );
}
