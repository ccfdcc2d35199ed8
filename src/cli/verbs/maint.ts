// `sluice maint`: as drain, and the server's health checks stop too.

import type { Command } from 'commander';
import { defineTakeOut } from './take-out.ts';

export function defineMaint(verb: Command): void {
  defineTakeOut(verb, 'maint', 'like drain, and stop its health checks too').addHelpText(
    'after',
    '\nExample:\n  $ sluice maint app 127.0.0.1:9001 -m "disk replaced"',
  );
}
