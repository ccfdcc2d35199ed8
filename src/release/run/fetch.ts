// What drivers fetch for a release (images) before any instance is touched. One after the other: two of
// one host need the same, and the second finds it there.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import { driverOf } from '../drivers.ts';
import type { Plan } from '../plan.ts';
import type { StepFailure } from '../step-end.ts';
import type { Release } from './release.ts';

/** Why the release cannot begin; null when everything is there. */
export async function fetchForDrivers(release: Release, plan: Plan): Promise<StepFailure | null> {
  const { service } = release;
  for (const { instance: id, steps } of plan.instances) {
    const instance = service.instances.find((one) => one.id === id);
    if (instance === undefined || !steps.some(({ kind }) => kind === 'start')) continue;
    const driver = driverOf(service, instance);
    try {
      await driver.prepare?.(driver.launchOf(plan.version));
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      return { code: error.code, reason: messageOf(error), evidence: [] };
    }
  }
  return null;
}
