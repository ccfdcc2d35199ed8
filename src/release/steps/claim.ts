// Has somebody taken the server that a release holds? A person may do so at any time, with drain or
// maint as well as with undrain, and it is theirs then: the release does not stop what runs there,
// does not judge it and does not bring anything back.

import { type Admin, parseOwner } from '../../model.ts';

/** In words, '' when it is still ours: `left to user:bob (maint: disk), who took it`. */
export function claimOn(admin: Admin, owner: string): string {
  if (admin.state === 'ready') return 'left to somebody, who put it into traffic';
  // The registry's own `down` lies over our drain and is nobody's claim on it.
  if (admin.owner === owner || parseOwner(admin.owner).kind === 'registry') return '';
  const reason = admin.reason === '' ? '' : `: ${admin.reason}`;
  return `left to ${admin.owner || 'somebody'} (${admin.state}${reason}), who took it`;
}
