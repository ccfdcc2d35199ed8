// One step with its journal records and events around it. Steps themselves write none.

import { formatDuration } from '../../base/units.ts';
import type { Facts } from '../events.ts';
import type { Step } from '../plan.ts';
import { endOf, failed, type StepEnd } from '../step-end.ts';
import { claimOn, runStep, startFacts, touches } from '../steps.ts';
import { pause } from '../wait.ts';
import type { InstanceRun } from './instance-run.ts';
import type { Release } from './release.ts';

/** Between two events `wait` of one step. */
const WAIT_EVENT_EVERY_MS = 1000;

/** `revert`: the step brings the old version back. A second interrupt ends the waiting for it. */
export async function runJournaled(
  run: InstanceRun,
  step: Step,
  revert: boolean,
): Promise<StepEnd> {
  const { release, instance } = run;
  const startedMs = performance.now();
  const say = (phase: 'start' | 'wait' | 'done' | 'failed', data: Facts): void => {
    const ms = Math.round(performance.now() - startedMs);
    release.emit({ type: 'step', instance, step: step.kind, phase, ms, revert, data });
  };
  const write = (kind: 'intent' | 'done' | 'failed', data: Facts): Promise<void> =>
    release.write({ kind, instance, step: step.kind, data: { revert, ...data } });
  if (step.kind === 'stop' && !run.isTouched) {
    const end = await notOurs(run);
    if (end !== null) return end;
  }
  const isFirst = !run.isTouched;
  await write('intent', step.kind === 'guard' ? { serving: run.plan.serving } : {});
  // Others must know of it before it is done: who finds us dead gives back what was only drained. What
  // brings a stopped instance back does not wait for them.
  if (isFirst || step.kind === 'stop' || !touches(step)) await release.flush();
  if (release.loss !== null) return { kind: 'failed', failure: release.loss };
  if (release.storage !== null && !run.isTouched) {
    return { kind: 'failed', failure: release.storage };
  }
  run.isTouched ||= touches(step);
  say('start', startFacts(step));
  let saidMs = startedMs;
  run.wait = (facts) => {
    if (performance.now() - saidMs < WAIT_EVENT_EVERY_MS) return;
    saidMs = performance.now();
    say('wait', facts);
  };
  // Who wants the instance back at once does not wait for the end of its check.
  const now = step.kind === 'check' && !revert ? release.options.interrupts.now : null;
  const end = await unlessAborted(release, now, runStep(step, run));
  run.wait = () => {};
  if (end.kind === 'done') {
    run.isHeld = true;
    await write('done', end.facts);
    say('done', end.facts);
    return end;
  }
  const { code, reason } =
    end.kind === 'failed' ? end.failure : { code: end.kind, reason: end.reason };
  await write('failed', { code, reason });
  say('failed', { reason });
  // The instance's log, which is on our disk and not on the control plane's.
  const isStorage = code === 'storage_full' || code === 'storage_failed';
  if (end.kind === 'failed' && isStorage && step.kind === 'start') {
    release.storageFailed(end.failure);
  }
  return end;
}

/**
 * A stop cannot be undone, so a gateway has to have said after the drain that the server is still ours. While
 * none can be asked, a person may have taken it by any of them: it is waited for, and then nothing is
 * stopped. Null when it is ours.
 */
async function notOurs(run: InstanceRun): Promise<StepEnd | null> {
  const { release, instance, service } = run;
  if ((await release.serversNow()) === null) {
    const wait = formatDuration(release.controlRetryMs);
    const text = `no gateway can be asked whether it is still drained: it is not stopped before one has said so (waiting for ${wait} at most)`;
    release.emit({ type: 'note', instance, text });
  }
  try {
    const server = await run.server();
    const claim = server === undefined ? '' : claimOn(server, release.owner);
    return claim === '' ? null : { kind: 'taken_over', reason: `${claim} before it was stopped` };
  } catch (error) {
    const end = endOf(error, service.upstream);
    const { soft } = release.options.interrupts;
    return soft.aborted ? failed('interrupted', 'interrupted before the stop') : end;
  }
}

async function unlessAborted(
  release: Release,
  now: AbortSignal | null,
  step: Promise<StepEnd>,
): Promise<StepEnd> {
  const { hard } = release.options.interrupts;
  const { lost } = release;
  const signals = now === null ? [hard, lost] : [hard, lost, now];
  const settled = new AbortController();
  const isOver = (): boolean => settled.signal.aborted || signals.some((signal) => signal.aborted);
  const stopped = (async (): Promise<StepEnd> => {
    while (!isOver()) await pause(60_000, ...signals, settled.signal);
    if (release.loss !== null) return { kind: 'failed', failure: release.loss };
    if (!hard.aborted && now?.aborted) return failed('release_failed', abortedText(release));
    return failed('interrupted', 'interrupted twice: stopped at once');
  })();
  try {
    return await Promise.race([step, stopped]);
  } finally {
    settled.abort();
  }
}

function abortedText({ options }: Release): string {
  return `${options.interrupts.aborted}, while it was checked`;
}
