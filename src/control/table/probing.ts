// Which of an upstream's members are probed, and from which verdict the checks go on.

import type { CheckedServer } from '../../health.ts';
import { type Admin, parseOwner } from '../../model.ts';
import type { RememberedVerdict } from '../../snapshot.ts';
import type { Member } from './members.ts';
import { overrideOf, writtenId } from './name-members.ts';

export type Probed = {
  readonly members: ReadonlyMap<string, Member>;
  readonly overrides: ReadonlyMap<string, Admin>;
  readonly verdicts: ReadonlyMap<string, RememberedVerdict>;
};

/** False: the server's verdict is forgotten. */
export function isListed({ members, overrides }: Probed, id: string): boolean {
  const state = members.get(id)?.state;
  return state !== undefined && overrideOf(overrides, state)?.state !== 'maint';
}

/** Undefined: the server is not probed. Without an address it cannot be, but its verdict stays. */
export function checkedServer(upstream: Probed, id: string): CheckedServer | undefined {
  const state = upstream.members.get(id)?.state;
  if (state === undefined || !isListed(upstream, id) || state.addresses.length === 0) {
    return undefined;
  }
  const { host, port, addresses } = state;
  const initial = upstream.verdicts.get(id);
  const { owner = '' } = overrideOf(upstream.overrides, state) ?? {};
  const isAwaited = parseOwner(owner).kind === 'release';
  const server = { id, writtenId: writtenId(state), host, port, addresses, isAwaited };
  return initial === undefined ? server : { ...server, initial };
}
