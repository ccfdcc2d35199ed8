// What several steps say of the pool.

import { isShared, type Scope } from '../../base/scope.ts';
import type { Facts } from '../events.ts';

/** A record may be replaced by deleting and writing it: only one that stays away is removed. */
export const REMOVED_AFTER_MS = 2000;

/** A step's word holds on one gateway; that there may be others stands beside it. */
export function otherGateways(scope: Scope): Facts {
  return isShared(scope) ? { other_gateways: 'not asked' } : {};
}
