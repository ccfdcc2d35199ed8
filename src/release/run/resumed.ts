// A release that an earlier runner left behind after the version had failed: it is not tried again. The
// instance on which it failed is brought back as it would have been, and the release ends so.

import { failedBefore } from '../journal/replay.ts';
import type { Plan } from '../plan.ts';
import type { StepFailure } from '../step-end.ts';
import type { Survey } from '../survey.ts';
import { InstanceRun } from './instance-run.ts';
import type { Release } from './release.ts';
import { takeBack } from './release-instance.ts';

/** Null when nothing had failed. */
export async function finishFailed(
  release: Release,
  plan: Plan,
  found: Survey,
): Promise<StepFailure | null> {
  const failed = failedBefore(release.before);
  const entry = plan.instances.find(({ instance }) => instance === failed?.instance);
  const instance = found.instances.find(({ id }) => id === failed?.instance);
  if (failed === null || entry === undefined || instance === undefined) return null;
  const { reason } = failed;
  const failure: StepFailure = { code: 'release_failed', reason, evidence: [] };
  const { proven } = instance.record;
  const isBack =
    instance.server?.admin.state === 'ready' &&
    instance.answer.ok &&
    instance.process?.launch.version === proven?.version;
  if (isBack) {
    release.settle(failed.instance, { outcome: 'reverted', note: 'by an earlier runner' });
    return failure;
  }
  if (entry.action === 'skip') return failure;
  return takeBack(await InstanceRun.open(release, entry, instance), failure);
}
