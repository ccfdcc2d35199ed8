// A release from its lock to its last word: survey, plan, then the turns of the plan's instances, one
// after the other, and the result. The first instance that fails ends it.

import { masked } from './drivers/environment.ts';
import type { ReleaseReceipt, ReleaseResult } from './events.ts';
import { openJournal } from './journal/journal.ts';
import { planRelease } from './plan.ts';
import { describeResult } from './result.ts';
import { findDead, findFallen } from './run/fallen.ts';
import { type ReleaseOptions, Session } from './run/session.ts';
import { TrafficWatch } from './run/traffic.ts';
import { Turn } from './run/turn.ts';
import { type Failure, fail } from './steps.ts';
import { type Survey, survey } from './survey.ts';

export type { ReleaseOptions } from './run/session.ts';

/**
 * Resolves with the result, also of a release that failed.
 * @throws locked while another release of the service runs; storage_full, storage_failed when it
 *   cannot begin its journal
 */
export async function runRelease(options: ReleaseOptions): Promise<ReleaseResult> {
  const journal = await openJournal(options.service, options.version);
  try {
    return await run(new Session(options, journal));
  } finally {
    await journal.close();
  }
}

async function run(session: Session): Promise<ReleaseResult> {
  const startedMs = performance.now();
  const { service, release, options } = session;
  const { version, control } = options;
  const question = { service, version, control, self: release };
  const found = await survey(question);
  const plan = planRelease(service, found, options);
  await session.write({ kind: 'plan', data: { plan } });
  session.emit({ type: 'plan', plan });
  for (const text of plan.notes) session.emit({ type: 'note', instance: '', text });

  let failure: Failure | null = null;
  let receipt: ReleaseReceipt | null = null;
  let seen: Survey | null = null;
  const [problem] = plan.problems;
  if (problem !== undefined) failure = fail(problem.code, problem.message);
  else {
    for (const { instance, action, why } of plan.instances) {
      if (action === 'keep') session.settle(instance, 'kept', why);
      if (action === 'skip') session.settle(instance, 'skipped', why);
    }
    const turns = plan.instances.filter(({ action }) => action === 'release');
    const traffic = turns.length === 0 ? null : await TrafficWatch.open(session);
    for (const entry of turns) {
      failure = options.interrupts.soft.aborted
        ? fail('interrupted', 'interrupted')
        : session.storage;
      const instance = found.instances.find((candidate) => candidate.id === entry.instance);
      if (failure !== null || instance === undefined) break;
      failure = await Turn.run(session, entry, instance);
      if (failure !== null) break;
    }
    // One that dies while the survey is taken would be called a success on which nothing answers.
    do {
      failure = await takeBackFallen(session, failure);
      seen = await survey(question);
    } while (failure === null && session.storage === null && (await findDead(session)) !== null);
    receipt = (await traffic?.close()) ?? null;
  }

  const story = {
    service,
    release,
    plan,
    options,
    failure: failure ?? session.storage,
    isRefused: problem !== undefined,
    storage: session.storage,
    fates: session.fates,
    receipt,
    signal: options.interrupts.name,
    ms: Math.round(performance.now() - startedMs),
  };
  const result = describeResult(story, seen ?? (await survey(question)));
  const { outcome, code, reason, exit } = result;
  await session.write({ kind: 'end', data: { outcome, code, reason, exit, receipt } });
  session.emit({ type: 'result', result });
  return masked(result, session.secrets);
}

/** The last look at what was released, also when another instance's failure has ended the release. */
async function takeBackFallen(session: Session, failure: Failure | null): Promise<Failure | null> {
  let first = failure;
  for (;;) {
    if (session.storage !== null || (first !== null && !VERDICTS.has(first.code))) return first;
    const fallen = await findFallen(session);
    const released = session.released.get(fallen?.fallen ?? '');
    if (fallen === null || released === undefined) return first;
    // After an interrupt nothing new is begun; but what died is not called a success.
    if (session.options.interrupts.soft.aborted) {
      session.settle(fallen.fallen ?? '', 'failed', fallen.reason);
      return first ?? fallen;
    }
    const outcome = await released.takeBack(fallen);
    const isFirst = first === null || first.fallen === fallen.fallen;
    // Too few others are a consequence of it; and a way back that failed is the worst to say.
    const isWorse = first?.code === 'guard_refused' || outcome.code === 'rollback_failed';
    if (isFirst || isWorse) first = outcome;
  }
}

/** Ends of a release at which the instances released before are looked at once more. */
const VERDICTS: ReadonlySet<Failure['code']> = new Set([
  'release_failed',
  'guard_refused',
  'rollback_failed',
]);
