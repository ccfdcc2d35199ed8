// `sluice drain`: no new requests for a server; what is in flight finishes, and the verb waits for it.

import type { Command } from 'commander';
import { defineTakeOut } from './take-out.ts';

export function defineDrain(verb: Command): void {
  defineTakeOut(verb, 'drain', 'take a server out; what is in flight finishes').addHelpText(
    'after',
    `
Exits 0 when nothing is in flight on this gateway any more, so that the next
command may stop the server; 1 when requests are still in flight after --wait.
Other gateways that follow the same registry (a Consul, or an embedded registry
beyond loopback) are not asked: drain the server on each of them.

Examples:
  $ sluice drain app 127.0.0.1:9001 -m "kernel update" && systemctl stop app
  $ sluice drain app 127.0.0.1:9001 --wait 2m --keep 1`,
  );
}
