// Before which instances a release waits for a person. Pure.
//
//   approve.before    nothing is at the version yet    some instance is kept: it is at the version
//   first             before the 1st to be released    the same
//   rest              before the 2nd                   before the 1st
//   first, rest       before the 1st and the 2nd       before the 1st, as `rest` alone

import type { ApprovalPoint, ServiceConfig } from '../../config.ts';
import type { InstancePlan, PlanOptions } from './types.ts';

/** The plans, and with those before which it waits: for what. */
export function withApprovals(
  { approve }: ServiceConfig,
  plans: readonly InstancePlan[],
  { kind = 'deploy', approved = new Set() }: PlanOptions,
): readonly InstancePlan[] {
  // Who goes back is in a hurry, and who stops all has said --yes.
  if (approve === null || kind !== 'deploy') return plans;
  const { before, timeoutMs } = approve;
  const entries = plans.filter(({ action }) => action === 'release' || action === 'retire');
  const isBegun = plans.some(({ action }) => action === 'keep');
  const first = isBegun && before.includes('rest') ? undefined : entries[0];
  const rest = entries[isBegun ? 0 : 1];
  const asks = (point: ApprovalPoint): boolean => before.includes(point) && !approved.has(point);
  return plans.map((plan) => {
    if (plan === first && asks('first'))
      return { ...plan, approval: { before: 'first', timeoutMs } };
    if (plan === rest && asks('rest')) return { ...plan, approval: { before: 'rest', timeoutMs } };
    return plan;
  });
}
