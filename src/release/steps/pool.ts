// What several steps say of the pool.

import { notHeard, type Scope } from '../../base/scope.ts';
import type { Facts } from '../events.ts';

/** A record may be replaced by deleting and writing it: only one that stays away is removed. */
export const REMOVED_AFTER_MS = 2000;

/** On how many gateways a step's word holds, and who was not heard. */
export function otherGateways(scope: Scope): Facts {
  const missing = notHeard(scope);
  if (missing !== '') return { gateways: scope.heard.length + 1, missing };
  return scope.heard.length === 0 ? {} : { gateways: scope.heard.length + 1 };
}
