// What happens to an instance on which the version failed: the version that served last is brought
// back, once. Where that is not wanted or not possible, the instance is parked: out of traffic, for a
// person or the next release.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import { masked } from '../masking.ts';
import { planRevert, type Step } from '../plan.ts';
import type { StepFailure } from '../step-end.ts';
import { takenOut } from '../steps.ts';
import type { InstanceRun } from './instance-run.ts';
import { runJournaled } from './journaled-step.ts';

const PARK_REASON_LENGTH = 200;

/** The failure that the release ends with. */
export async function goBack(run: InstanceRun, failure: StepFailure): Promise<StepFailure> {
  try {
    return await bringBack(run, failure);
  } catch (error) {
    if (!isSluiceError(error) || error.code !== 'host_unreachable') throw error;
    const reason = `${failure.reason}; then ${messageOf(error)}`;
    run.settle('stuck', reason);
    return { ...failure, code: error.code, reason };
  }
}

async function bringBack(run: InstanceRun, failure: StepFailure): Promise<StepFailure> {
  const { hard } = run.release.options.interrupts;
  const { proven } = run.record;
  if (run.service.onFailure === 'park' || proven === null) return park(run, failure);
  const notBack = `${failure.reason}; then ${proven.version} could not be brought back`;
  const blocked = await run.driver.returnProblem(proven);
  if (blocked !== '') {
    const { evidence } = failure;
    return park(run, { code: 'rollback_failed', reason: `${notBack}: ${blocked}`, evidence });
  }
  const pid = await pidOf(run);
  const launch = { version: proven.version, ...run.driver.describe(proven) };
  for (const step of planRevert(run.service, run.found, launch, pid)) {
    const end = await runJournaled(run, step, true);
    if (end.kind === 'done') continue;
    if (end.kind !== 'failed') {
      run.settle(step.kind === 'admit' ? 'reverted' : 'skipped', end.reason);
      return failure;
    }
    const second = end.failure;
    if (hard.aborted) {
      run.settle('stuck', second.reason);
      return second;
    }
    // Both often fail for the same reason: what stands in both is shown once.
    const evidence = [...new Set([...failure.evidence, ...second.evidence])];
    if (saysNothingOfVersion(step, second)) {
      const reason = `${failure.reason}; then ${proven.version} was not admitted: ${second.reason}`;
      return leaveRunning(run, { ...second, reason, evidence }, proven.version);
    }
    if (second.code === 'host_unreachable' || second.code === 'locked') {
      run.settle('stuck', second.reason);
      return { ...second, reason: `${notBack}: ${second.reason}`, evidence };
    }
    const code = second.code === 'unreachable' ? 'unreachable' : 'rollback_failed';
    const both: StepFailure = { code, reason: `${notBack}: ${second.reason}`, evidence };
    if (second.inTraffic === undefined) return park(run, both);
    run.settle('failed', second.inTraffic);
    return both;
  }
  run.settle('reverted', `${run.release.options.version} failed`);
  return failure;
}

/**
 * The control plane could not be asked or could not write, which says nothing against a process that
 * has answered well. To kill it for that would put the instance where the same call fails again.
 */
export function saysNothingOfVersion(step: Step, failure: StepFailure): boolean {
  return (step.kind === 'check' || step.kind === 'admit') && failure.code !== 'release_failed';
}

/** A process that nothing speaks against runs on, drained; the next deploy judges and admits it. */
export function leaveRunning(run: InstanceRun, failure: StepFailure, version: string): StepFailure {
  run.settle('stuck', `runs ${version}, not admitted`, version);
  return failure;
}

/** Keeps the server out of traffic until a person, or the next release, takes it up. */
async function park(run: InstanceRun, failure: StepFailure): Promise<StepFailure> {
  const taken = takenOut(run, await run.serverNow(), 'before it was parked');
  if (taken !== null) {
    run.settle('skipped', taken.reason);
    return failure;
  }
  await run.keep('off');
  await stopLeftBehind(run);
  const { id, secrets } = run.release;
  const reason = masked(`release ${id}: ${failure.reason}`, secrets);
  const trouble = await run.setAdmin('maint', reason.slice(0, PARK_REASON_LENGTH));
  await run.note({ parked: trouble === '', trouble });
  run.settle(trouble === '' ? 'parked' : 'stuck', trouble);
  return failure;
}

/** A living process runs on, so that a person can look at it. What a dead one has left is ended. */
async function stopLeftBehind(run: InstanceRun): Promise<void> {
  const { process } = run;
  if (process === null || (await run.driver.leftBehind(process.handle)) === '') return;
  const timeoutMs = run.service.stopTimeoutMs;
  await runJournaled(run, { kind: 'stop', timeoutMs, pid: await pidOf(run) }, true);
}

async function pidOf({ driver, process }: InstanceRun): Promise<number> {
  return process === null ? 0 : (await driver.state(process.handle)).pid;
}
