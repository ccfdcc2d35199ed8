// One instance from its first step to its outcome. What a failure means depends on how far it came:
// before the old process was told to stop, the server just goes back into traffic; after it, see
// go-back.ts. Other instances are never touched by it.

import type { InstancePlan, Step } from '../plan.ts';
import { isUnanswered, type StepFailure } from '../step-end.ts';
import type { InstanceSurvey } from '../survey.ts';
import { goBack, leaveRunning, saysNothingOfVersion } from './go-back.ts';
import { InstanceRun } from './instance-run.ts';
import { runJournaled } from './journaled-step.ts';
import { type Release, troubleOf } from './release.ts';

/** Null when the release may go on with the next instance. */
export async function releaseInstance(
  release: Release,
  plan: InstancePlan,
  found: InstanceSurvey,
): Promise<StepFailure | null> {
  const run = await InstanceRun.open(release, plan, found);
  const { steps } = plan;
  let next = 0;
  for (let step = steps[next]; step !== undefined; step = steps[next]) {
    const end = await runJournaled(run, step, false);
    switch (end.kind) {
      case 'done':
        next += 1;
        break;
      case 'too_few_others':
        await putBack(run);
        run.isHeld = false;
        next = 0;
        break;
      case 'taken_over':
        run.settle(hasPassed(step) ? 'released' : 'skipped', end.reason);
        return null;
      case 'failed':
        return onFailure(run, step, end.failure);
    }
  }
  if (release.options.kind === 'stop') {
    run.settle('stopped', '');
    return null;
  }
  run.settle(plan.action === 'retire' ? 'retired' : 'released', '');
  if (plan.action !== 'retire') release.released.add(run);
  return null;
}

/** It has passed its check; before that nothing is said of the version. */
function hasPassed({ kind }: Step): boolean {
  return kind === 'admit' || kind === 'verify';
}

/**
 * The version failed here after it had been put into traffic: as if it had failed before, but the pool
 * comes first. `need`: as many others have to stay eligible; null: it serves nobody, so taking it out
 * costs nothing.
 */
export async function takeBack(
  run: InstanceRun,
  failure: StepFailure,
  need: number | null = null,
): Promise<StepFailure> {
  const { drainTimeoutMs, guardWaitMs } = run.service;
  run.release.released.remove(run);
  run.settle('failed', failure.reason);
  // One that is alive may still have requests.
  const out: readonly Step[] = [
    { kind: 'guard', need, waitMs: guardWaitMs, takeOver: '' },
    { kind: 'drain', timeoutMs: drainTimeoutMs, onTimeout: 'proceed', need },
  ];
  run.isTakenBack = true;
  for (const step of out) {
    const end = await runJournaled(run, step, true);
    if (end.kind === 'done') continue;
    const why = end.kind === 'failed' ? end.failure.reason : end.reason;
    if (end.kind === 'too_few_others' || (end.kind === 'failed' && need !== null)) {
      // A server that answers with errors is more than none.
      const trouble = step.kind === 'guard' ? '' : await run.setAdmin('ready', '');
      await run.keep('on');
      run.settle(trouble === '' ? 'failed' : 'stuck', trouble || `left in traffic: ${why}`);
      return { ...failure, reason: `${failure.reason}; left in traffic: ${why}` };
    }
    if (end.kind === 'failed') run.settle('stuck', why);
    return failure;
  }
  return goBack(run, failure);
}

async function onFailure(run: InstanceRun, step: Step, failure: StepFailure): Promise<StepFailure> {
  const { hard } = run.release.options.interrupts;
  // Another release has its own way.
  if (failure.code === 'locked') {
    run.settle(run.isHeld || run.isTouched ? 'stuck' : 'untouched', failure.reason);
    return failure;
  }
  if (!run.isTouched) {
    // A change whose answer never came may have been made.
    const isChanged = run.isHeld || run.isRegistered || isUnanswered(failure);
    const trouble = hard.aborted ? failure.reason : isChanged ? await putBack(run) : '';
    run.settle(trouble === '' ? 'untouched' : 'stuck', trouble);
    return failure;
  }
  if (hard.aborted) {
    run.settle('stuck', failure.reason);
    return failure;
  }
  if (step.kind === 'verify') {
    if (failure.code === 'release_failed') {
      const isDead = (await run.ended()) !== '';
      return takeBack(run, failure, isDead ? null : step.need);
    }
    // It is in traffic, and nobody can say how it does.
    run.settle('released', `not verified: ${failure.reason}`);
    run.release.released.add(run);
    return failure;
  }
  // Nobody can go back where nobody gets to.
  if (failure.code === 'host_unreachable' || run.plan.action === 'retire') {
    run.settle('stuck', failure.reason);
    return failure;
  }
  if (saysNothingOfVersion(step, failure)) {
    return leaveRunning(run, failure, run.release.options.version);
  }
  run.settle('failed', failure.inTraffic ?? failure.reason);
  return failure.inTraffic === undefined ? goBack(run, failure) : failure;
}

/** Undoes guard and drain: the server is again what it was. Why not, or ''. */
async function putBack(run: InstanceRun): Promise<string> {
  if (run.isRegistered) {
    const { control, owner } = run.release;
    const { upstream } = run.service;
    const trouble = await troubleOf(() => control.deregister(upstream, run.instance, { owner }));
    await run.note({ deregistered: trouble === '', trouble });
    return trouble;
  }
  const admin = run.found.server?.admin;
  const state = run.plan.serving ? 'ready' : (admin?.state ?? 'ready');
  const trouble = await run.setAdmin(state, state === 'ready' ? '' : (admin?.reason ?? ''));
  await run.keep('on');
  await run.note({ put_back: state, trouble });
  return trouble;
}
