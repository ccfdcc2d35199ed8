// With `on_failure: rollback` a release that failed on one instance is undone on those that it had
// released before, the newest first, so that all have the old version again. Guard, drain and check hold
// on the way back, too; one that cannot be brought back ends it, so that not more is broken.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import type { Plan } from '../plan.ts';
import type { StepFailure } from '../step-end.ts';
import type { Survey } from '../survey.ts';
import type { InstanceRun } from './instance-run.ts';
import type { Release } from './release.ts';
import { takeBack } from './release-instance.ts';

/** What the release ends with. */
export async function rollBack(
  release: Release,
  plan: Plan,
  failure: StepFailure | null,
): Promise<StepFailure | null> {
  if (failure === null || plan.onFailure !== 'rollback') return failure;
  // Only a failure of the version; and what could not be brought back itself is no beginning.
  if (failure.code !== 'release_failed' || release.storage !== null) return failure;
  const { version } = release.options;
  let count = 0;
  for (const run of release.released.newestFirst()) {
    if (release.options.interrupts.hard.aborted) return failure;
    // One that serves the version is more than one that is out of traffic with no way back.
    const blocked = await wayBackProblem(run);
    if (blocked !== '') return notBack(failure, run.instance, blocked);
    const before = release.settled.get(run.instance);
    const ended = await takeBack(run, failure, plan.need);
    const outcome = release.settled.get(run.instance)?.outcome;
    if (outcome === 'reverted') {
      count += 1;
      continue;
    }
    // Nothing was changed: too few others.
    if (outcome === 'failed' && before !== undefined) release.settle(run.instance, before);
    const why = ended === failure ? (release.settled.get(run.instance)?.note ?? '') : ended.reason;
    return notBack(failure, run.instance, why);
  }
  const outcomes = [...release.settled.values()].map(({ outcome }) => outcome);
  if (outcomes.some((outcome) => outcome === 'parked' || outcome === 'stuck')) {
    return { ...failure, code: 'rollback_failed' };
  }
  const back = count === 0 ? '' : `; ${count} released before went back, too`;
  return { ...failure, code: 'rolled_back', reason: `${version} failed: ${failure.reason}${back}` };
}

/**
 * "Rolled back" is said of every instance. One may have the version after all: it had it before, or somebody
 * put it into traffic or took it meanwhile.
 */
export function allBack(
  { options }: Release,
  failure: StepFailure | null,
  { instances }: Survey,
): StepFailure | null {
  if (failure?.code !== 'rolled_back') return failure;
  const left = instances.filter(({ version }) => version === options.version);
  if (left.length === 0) return failure;
  const names = left.map(({ id }) => id).join(', ');
  const reason = `${failure.reason}; ${options.version} still runs on ${names}`;
  return { ...failure, code: 'release_failed', reason };
}

function notBack(failure: StepFailure, instance: string, why: string): StepFailure {
  const { evidence } = failure;
  const reason = `${failure.reason}; then ${instance} could not be rolled back${why === '' ? '' : `: ${why}`}`;
  return { code: 'rollback_failed', reason, evidence };
}

/** Why the old version cannot be brought back, as far as that can be seen before; '' when it can. */
async function wayBackProblem({ driver, record }: InstanceRun): Promise<string> {
  if (record.proven === null) return 'no earlier version is known';
  try {
    return await driver.returnProblem(record.proven);
  } catch (error) {
    if (!isSluiceError(error) || error.code !== 'host_unreachable') throw error;
    return messageOf(error);
  }
}
