// The plan of `sluice stop`: every instance is drained and stopped, and its server stays out of traffic
// until the next deploy. Pure.

import type { ServiceConfig } from '../../config.ts';
import { ownerText } from '../../model.ts';
import type { InstancePlan } from '../plan.ts';
import type { InstanceSurvey } from '../survey.ts';

export function planStop(
  service: ServiceConfig,
  { process, left }: InstanceSurvey,
  base: Omit<InstancePlan, 'action' | 'steps'>,
): InstancePlan {
  if (process === null) return { ...base, action: 'keep', why: 'not running', steps: [] };
  const takeOver = left === '' ? '' : ownerText({ kind: 'release', id: left });
  const { guardWaitMs, drainTimeoutMs, drainOnTimeout, stopTimeoutMs } = service;
  return {
    ...base,
    action: 'release',
    steps: [
      // Nobody has to stay: that is what is asked for.
      { kind: 'guard', need: null, waitMs: guardWaitMs, takeOver },
      { kind: 'drain', timeoutMs: drainTimeoutMs, onTimeout: drainOnTimeout, need: null },
      { kind: 'stop', timeoutMs: stopTimeoutMs, pid: process.pid },
    ],
  };
}
