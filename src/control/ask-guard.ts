// The guard's question, put together from what this gateway knows at the moment.

import type { Fleet } from '../workers.ts';
import { findUpstream } from './find-member.ts';
import { checkGuard } from './guard.ts';
import type { SharedControl } from './shared.ts';
import type { Table } from './table.ts';

export type GuardParts = {
  readonly table: Table;
  readonly fleet: Fleet;
  readonly shared: SharedControl;
};

/** @throws guard_refused, not_found */
export function askGuard(
  { table, fleet, shared }: GuardParts,
  asked: { readonly upstream: string; readonly server: string; readonly keepEligible?: number },
): void {
  const { upstream, server, keepEligible } = asked;
  if (keepEligible === undefined) return;
  checkGuard({
    ...{ upstream, server, keepEligible },
    members: findUpstream(table, upstream).members.values(),
    figures: fleet.figures(),
    elsewhere: shared.others.capacities(upstream),
  });
}
