// Has somebody taken the server that a release holds? A person may do so at any time, with drain or
// maint as well as with undrain, and it is theirs then: the release does not stop what runs there,
// does not judge it and does not bring anything back.

import { parseOwner } from '../../model.ts';
import type { PoolServer } from '../control.ts';
import type { InstanceRun } from '../run.ts';
import type { StepEnd } from '../step-end.ts';

/** In words, '' when it is still ours: `left to user:bob (maint: disk), who took it`. */
export function claimOn(
  { admin, givenBack }: Pick<PoolServer, 'admin' | 'givenBack'>,
  owner: string,
): string {
  // Given back, it takes requests without another word, as soon as the registry has this one.
  if (admin.state === 'ready' || givenBack) return 'left to somebody, who put it into traffic';
  // The registry's own `down` comes on top of our drain; nobody claims the server by it.
  if (admin.owner === owner || parseOwner(admin.owner).kind === 'registry') return '';
  const reason = admin.reason === '' ? '' : `: ${admin.reason}`;
  return `left to ${admin.owner || 'somebody'} (${admin.state}${reason}), who took it`;
}

/** Null also for a server that a person has put into traffic: they want something to run there. */
export function takenOut(
  run: InstanceRun,
  server: PoolServer | undefined,
  when: string,
): Extract<StepEnd, { kind: 'taken_over' }> | null {
  if (server === undefined || server.admin.state === 'ready') return null;
  const claim = claimOn(server, run.release.owner);
  return claim === '' ? null : { kind: 'taken_over', reason: `${claim} ${when}` };
}
