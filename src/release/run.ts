// A release from its first command to its result: what makes the version, the lock, survey and plan,
// the artifact to all hosts, then the plan's instances, one after the other, and the result. What
// fails before the first instance changes nothing; the first instance that fails ends it.

import type { Artifact } from './artifact.ts';
import type { ReleaseEvent, ReleaseReceipt, ReleaseResult } from './events.ts';
import { closeHosts } from './hosts.ts';
import { openJournal } from './journal/open.ts';
import { approved, unverified } from './journal/replay.ts';
import { awaitRestarts } from './journal/restart-claim.ts';
import { masked } from './masking.ts';
import { Notifier } from './notify.ts';
import { type Plan, planRelease } from './plan.ts';
import { describeResult, describeUnbegun } from './result.ts';
import { bring, markFailed, removeOld } from './run/bring.ts';
import { hurried } from './run/control-retry.ts';
import { firstLook } from './run/first-look.ts';
import { prepare } from './run/prepare.ts';
import { CONTROL_RETRY_MS, Release, type ReleaseOptions } from './run/release.ts';
import { afterRelease, beforeRelease } from './run/release-hooks.ts';
import { releaseInstance, takeBack } from './run/release-instance.ts';
import { finishFailed } from './run/resumed.ts';
import { allBack, rollBack } from './run/roll-back.ts';
import { TrafficWatch } from './run/traffic.ts';
import { isUnanswered, type StepFailure } from './step-end.ts';
import { type Survey, secretsIn, survey } from './survey.ts';
import type { Tally } from './verdict.ts';

export type { InstanceRun } from './run/instance-run.ts';
export type { Release, ReleaseOptions, Settled } from './run/release.ts';

/**
 * Resolves with the result, also of a release that failed.
 * @throws locked while another release of the service runs; storage_full, storage_failed when it
 *   cannot begin its journal
 */
export async function runRelease(given: ReleaseOptions): Promise<ReleaseResult> {
  const startedMs = performance.now();
  const prepared = await prepare(given);
  const { options, artifact, failure } = prepared;
  const { force, allowDowntime, origin = null, interrupts } = options;
  const patient = firstLook(options.control, {
    retryForMs: options.controlRetryMs ?? CONTROL_RETRY_MS,
    stop: interrupts.soft,
    onNote: (text) => options.onEvent(noteBefore(options, text)),
  });
  try {
    const opened = await openJournal({
      ...options,
      settings: { force, allowDowntime, origin },
      records: patient.releases,
    });
    try {
      opened.shared?.start();
      await awaitRestarts(options.service);
      const control = hurried(patient, interrupts.hard);
      const release = new Release({ ...options, control }, opened);
      for (const secret of prepared.secrets) release.secrets.add(secret);
      let output = '';
      await release.keep(async () => {
        output = await prepared.keepOutput(release.id);
      });
      if (failure !== null) {
        const story = { ...options, release: release.id, failure, output };
        const told = { notifier: notifierFor(release), from: [] };
        return await finish(release, describeUnbegun(story, startedMs), told);
      }
      return await run(release, artifact, startedMs);
    } finally {
      opened.shared?.stop();
      await opened.journal.close();
    }
  } finally {
    await closeHosts(options.service);
    await artifact?.discard();
  }
}

/** Before the release has a name. */
function noteBefore({ service }: ReleaseOptions, text: string): ReleaseEvent {
  const ts = new Date().toISOString();
  const note = { type: 'note', instance: '', text } as const;
  return { v: 1, ts, service: service.name, release: '', ...note };
}

/** What came of the plan's instances, and the survey that was taken at the end. */
type End = {
  readonly failure: StepFailure | null;
  readonly receipt: ReleaseReceipt | null;
  readonly marks: ReadonlyMap<string, Tally>;
  readonly seen: Survey;
};

async function run(
  release: Release,
  artifact: Artifact | null,
  startedMs: number,
): Promise<ReleaseResult> {
  const { service, options } = release;
  const found = await surveyFor(release);
  for (const one of await secretsIn(found, service, options.version)) release.secrets.add(one);
  options.onSecrets?.(release.secrets);
  const asked = {
    ...options,
    unverified: unverified(release.before),
    approved: approved(release.before),
  };
  const plan = refused(planRelease(service, found, asked), release);
  release.need = plan.need;
  await release.write({ kind: 'plan', data: { plan } });
  release.emit({ type: 'plan', plan });
  for (const text of plan.notes) release.emit({ type: 'note', instance: '', text });

  const [problem] = plan.problems;
  const notifier = notifierFor(release);
  const begins = problem === undefined && plan.instances.some(({ action }) => action === 'release');
  if (begins) notifier.tell('started', aboutOf(release, plan.from, null));
  release.onPaused = () => notifier.tell('paused', aboutOf(release, plan.from, null));
  release.onWaiting = (approval) =>
    notifier.tell('approval', { ...aboutOf(release, plan.from, null), approval });
  const refusal = unlessInterrupted(
    release,
    problem === undefined
      ? ((await bring(release, plan, artifact)) ??
          (await approveFirst(release, plan)) ??
          (begins ? await beforeRelease(release) : null))
      : { code: problem.code, reason: problem.message, evidence: [] },
  );
  const end: End =
    refusal === null
      ? await carryOut(release, plan, found)
      : { failure: refusal, receipt: null, marks: new Map(), seen: await surveyFor(release) };
  const story = {
    service,
    release: release.id,
    plan,
    options,
    failure: unlessInterrupted(release, end.failure ?? release.storage),
    isRefused: refusal !== null && !ENDED_WAITING.has(refusal.code),
    storage: release.storage,
    settled: release.settled,
    receipt: end.receipt,
    marks: end.marks,
    signal: options.interrupts.name,
    aborted: options.interrupts.aborted,
    ms: Math.round(performance.now() - startedMs),
  };
  const result = describeResult(story, end.seen);
  if (result.outcome === 'succeeded' && options.kind !== 'stop') await removeOld(release, end.seen);
  if (end.failure !== null) await markFailed(release, end.failure);
  await afterRelease(release, result);
  return finish(release, result, { notifier, from: plan.from });
}

async function finish(
  release: Release,
  result: ReleaseResult,
  told: { readonly notifier: Notifier; readonly from: readonly string[] },
): Promise<ReleaseResult> {
  const { notifier, from } = told;
  const { outcome, code, reason, exit, receipt, instances, evidence, doubts, next } = result;
  const { version } = release.options;
  const listed = result.instances.filter((one) => one.outcome !== 'retired');
  const complete = listed.length > 0 && listed.every((one) => one.version === version);
  const end = { outcome, code, reason, exit, complete, receipt };
  await release.write({ kind: 'end', data: { ...end, instances, evidence, doubts, next } });
  await release.finish({ outcome, reason, exit, complete });
  notifier.tell(toldAs(outcome), aboutOf(release, from, result));
  for (const text of await notifier.close()) release.emit({ type: 'note', instance: '', text });
  release.emit({ type: 'result', result });
  return masked(result, release.secrets);
}

/**
 * An interrupt ends the patience with a control plane that does not answer, also in the call that is under
 * way: what ended the release is the interrupt.
 */
function unlessInterrupted(release: Release, failure: StepFailure | null): StepFailure | null {
  const { soft } = release.options.interrupts;
  if (failure === null || !soft.aborted || !isUnanswered(failure)) return failure;
  return { ...failure, code: 'interrupted', reason: `interrupted; ${failure.reason}` };
}

function notifierFor({ service, options, secrets }: Release): Notifier {
  return new Notifier(service.notify, { interrupts: options.interrupts, secrets });
}

function aboutOf(
  { service, id, options }: Release,
  from: readonly string[],
  result: ReleaseResult | null,
) {
  const approval = null;
  return { service: service.name, release: id, version: options.version, from, result, approval };
}

function toldAs(outcome: ReleaseResult['outcome']) {
  if (outcome === 'rolled_back') return 'failed';
  return outcome === 'aborted' ? 'interrupted' : outcome;
}

/** Without the lock nothing is done, even when the gateway is back by now. */
function refused(plan: Plan, { trouble }: Release): Plan {
  if (trouble === null) return plan;
  const others = plan.problems.filter(({ message }) => message !== trouble.message);
  return { ...plan, problems: [trouble, ...others] };
}

function surveyFor(release: Release): Promise<Survey> {
  const { version, control, resume = '' } = release.options;
  const isResumed = resume !== '';
  return survey({ service: release.service, version, control, self: release.id, isResumed });
}

/** Ends before the first instance that are no refusal of what was asked for: it may be gone on with. */
const ENDED_WAITING: ReadonlySet<StepFailure['code']> = new Set(['interrupted', 'not_approved']);

/** Before the hook of the release, which may change things already. Null: it may go on. */
async function approveFirst({ commands }: Release, plan: Plan): Promise<StepFailure | null> {
  const [first] = plan.instances.flatMap(({ approval = null }) => approval ?? []);
  return first?.before === 'first' ? commands.approval.ask(first) : null;
}

/** The instances of the plan, one after the other, then the last look at what was released. */
async function carryOut(release: Release, plan: Plan, found: Survey): Promise<End> {
  for (const { instance, action, why } of plan.instances) {
    if (action === 'keep') release.settle(instance, { outcome: 'kept', note: why });
    if (action === 'skip') release.settle(instance, { outcome: 'skipped', note: why });
  }
  const entries = plan.instances.filter(
    ({ action }) => action === 'release' || action === 'retire',
  );
  release.traffic = entries.length === 0 ? null : await TrafficWatch.open(release);
  let failure: StepFailure | null = await finishFailed(release, plan, found);
  for (const entry of entries) {
    if (failure !== null) break;
    if (entry.approval?.before === 'rest') {
      failure = await release.commands.approval.ask(entry.approval);
      if (failure !== null) break;
    }
    await release.commands.unpaused();
    failure = release.options.interrupts.soft.aborted
      ? { code: 'interrupted', reason: 'interrupted', evidence: [] }
      : release.storage;
    const instance = found.instances.find((candidate) => candidate.id === entry.instance);
    if (failure !== null || instance === undefined) break;
    failure = await releaseInstance(release, entry, instance);
    if (failure !== null) break;
  }
  // One that dies while the survey is taken would be called a success on which nothing answers.
  let seen: Survey;
  do {
    failure = await rollBack(release, plan, await takeBackFailed(release, failure));
    seen = await surveyFor(release);
  } while (
    failure === null &&
    release.storage === null &&
    (await release.released.findDead()) !== null
  );
  const receipt = (await release.traffic?.close()) ?? null;
  failure = allBack(release, failure, seen);
  return { failure, receipt, marks: release.traffic?.marks ?? new Map(), seen };
}

/** The last look at what was released, also when another instance's failure has ended the release. */
async function takeBackFailed(
  release: Release,
  failure: StepFailure | null,
): Promise<StepFailure | null> {
  let first = failure;
  for (;;) {
    if (release.storage !== null || (first !== null && !LOOKED_AT_AFTER.has(first.code))) {
      return first;
    }
    const found = await release.released.findFailed();
    const failed = found === null ? undefined : release.released.of(found);
    if (found === null || failed === undefined) return first;
    // After an interrupt nothing new is begun; but what died is not called a success.
    if (release.options.interrupts.soft.aborted) {
      failed.settle('failed', found.reason);
      return first ?? found;
    }
    const ended = await takeBack(failed, found);
    const isFirst = first === null || first.releasedBefore === found.releasedBefore;
    // Too few others are a consequence of it. A way back that failed is worse than any other end.
    const isWorse = first?.code === 'guard_refused' || ended.code === 'rollback_failed';
    if (isFirst || isWorse) first = ended;
  }
}

/** Ends of a release after which the instances released before are looked at once more. */
const LOOKED_AT_AFTER: ReadonlySet<StepFailure['code']> = new Set([
  'release_failed',
  'guard_refused',
  'rollback_failed',
]);
