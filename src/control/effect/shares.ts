// Which part of the new requests a server gets, by the weights of those that may take them. What a method of
// balancing makes of it moment by moment (connections, times, keys) is not foretold.

import { type Eligibility, isCapacity } from '../../model.ts';
import type { WorkerFigures } from '../../workers.ts';
import { memberEligibility } from '../reported.ts';
import type { Member } from '../table.ts';

export type Pool = {
  readonly upstream: string;
  readonly members: ReadonlyMap<string, Member>;
  readonly figures: readonly WorkerFigures[];
};

export function eligibilityOf({ upstream, members, figures }: Pool, id: string): Eligibility {
  const member = members.get(id);
  // One that is gone finishes what it has.
  return member === undefined ? 'drain' : memberEligibility(upstream, member, figures);
}

/** How many may take the next request, as a status counts them. */
export function eligibleIn(pool: Pool): number {
  return [...pool.members.keys()].filter((id) => eligibilityOf(pool, id) === 'ok').length;
}

/** 0 to 1. `weightOf`: as it is to be; left out: as it is. */
export function shareOf(
  pool: Pool,
  server: string,
  weightOf: (member: Member) => number = ({ state }) => state.weight,
): number {
  const serving = [...pool.members.values()].filter(({ state }) =>
    isCapacity(eligibilityOf(pool, state.id)),
  );
  const primaries = serving.filter(({ state }) => !state.backup);
  const tier = primaries.length > 0 ? primaries : serving;
  const all = tier.reduce((sum, member) => sum + weightOf(member), 0);
  const own = tier.filter(({ state }) => state.id === server);
  return all === 0 ? 0 : own.reduce((sum, member) => sum + weightOf(member), 0) / all;
}
