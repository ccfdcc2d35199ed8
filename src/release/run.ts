// A release from its lock to its last word: survey, plan, then the turns of the plan's instances, one
// after the other, and the result. The first instance that fails ends it.

import type { Receipt } from './control.ts';
import type { ReleaseResult } from './events.ts';
import { openJournal } from './journal.ts';
import { planRelease } from './plan.ts';
import { describeResult } from './result.ts';
import { type ReleaseOptions, Session } from './session.ts';
import { type Failure, fail } from './steps.ts';
import { survey } from './survey.ts';
import { TrafficWatch } from './traffic.ts';
import { Turn } from './turn.ts';

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
  let receipt: Receipt | null = null;
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
    receipt = (await traffic?.close()) ?? null;
  }

  const story = {
    service,
    release,
    plan,
    failure: failure ?? session.storage,
    isRefused: problem !== undefined,
    storage: session.storage,
    fates: session.fates,
    receipt,
    signal: options.interrupts.name,
    ms: Math.round(performance.now() - startedMs),
  };
  const result = describeResult(story, await survey(question));
  const { outcome, code, reason, exit } = result;
  await session.write({ kind: 'end', data: { outcome, code, reason, exit, receipt } });
  session.emit({ type: 'result', result });
  return result;
}
