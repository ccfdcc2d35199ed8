// Who may change what somebody else decided about a server.

import type { AdminRequest } from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import type { Admin } from '../model.ts';
import type { Override } from '../snapshot.ts';

/** @throws conflict */
export function checkOwner(server: string, current: Admin, ifOwner: string | undefined): void {
  if (ifOwner === undefined || current.state === 'ready' || current.owner === ifOwner) return;
  const reason = current.reason === '' ? '' : ` (${current.reason})`;
  throw new SluiceError(
    'conflict',
    `server ${server}: in ${current.state} by ${current.owner}${reason}; only its owner or a person should change that`,
    { details: { admin: current } },
  );
}

/** It was said before, in the same words: nobody has to judge it again. */
export function isSaid(
  current: Admin,
  { state, owner, reason }: Pick<AdminRequest, 'state' | 'owner' | 'reason'>,
): boolean {
  if (state !== current.state) return false;
  return state === 'ready' || (current.owner === owner && current.reason === reason);
}

/** The overrides with this one in its place; ready is none. */
export function replaced(overrides: readonly Override[], next: Override): Override[] {
  const others = overrides.filter(
    ({ upstream, server }) => upstream !== next.upstream || server !== next.server,
  );
  return next.admin.state === 'ready' ? others : [...others, next];
}
