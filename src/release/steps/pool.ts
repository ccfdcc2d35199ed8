// What several steps say of the pool.

import { notHeard, type Scope } from '../../base/scope.ts';
import { isServing, type PoolServer } from '../control.ts';
import type { Facts } from '../events.ts';
import type { StepEnd } from '../step-end.ts';

/** A record may be replaced by deleting and writing it: only one that stays away is removed. */
export const REMOVED_AFTER_MS = 2000;

/** On how many gateways a step's word holds, and who was not heard. */
export function otherGateways(scope: Scope): Facts {
  const missing = notHeard(scope);
  if (missing !== '') return { gateways: scope.heard.length + 1, missing };
  return scope.heard.length === 0 ? {} : { gateways: scope.heard.length + 1 };
}

/** Null when enough others can be used on every gateway. */
export function tooFewOthers(
  servers: readonly PoolServer[],
  instance: string,
  need: number,
): StepEnd | null {
  const others = servers.filter((server) => server.id !== instance && isServing(server)).length;
  if (others >= need) return null;
  return {
    kind: 'too_few_others',
    reason: `only ${others} other servers eligible (need ${need})`,
  };
}
