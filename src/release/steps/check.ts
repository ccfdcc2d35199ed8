// Check: is the new process fit for traffic? It answers `rise` times in a row on connections of our
// own, in the version that was asked for; the process that answers is the one that was started; and
// the control plane's own checks, which look from where the requests come from, agree. Before the
// deadline; and at once without waiting for it when the process dies or the wrong version answers.
//
// Failures that speak against the version have the code release_failed. That the server was removed
// from the upstream does not, and what the control plane cannot answer is thrown with its own code.

import { formatDuration } from '../../base/units.ts';
import type { PoolServer } from '../control.ts';
import type { Started } from '../drivers.ts';
import type { Step } from '../plan.ts';
import { type Answer, probe } from '../probe.ts';
import type { InstanceRun } from '../run.ts';
import { done, failed, type StepEnd, serverRemoved } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { pause } from '../wait.ts';
import { claimOn, takenOut } from './claim.ts';
import { REMOVED_AFTER_MS, tooFewOthers } from './pool.ts';

/** Between probes while nothing listens yet: asking costs nothing then, and waiting does. */
const REFUSED_INTERVAL_MS = 50;
/** How often the end of the process is looked for while waiting for the next probe. */
const WATCH_EVERY_MS = 25;
/** How often it is asked whether somebody has taken the server meanwhile. */
const CLAIM_EVERY_MS = 250;
const WHILE_CHECKED = 'while it was checked';

export const check: StepDefinition<'check'> = {
  touches: true,
  facts: ({ path, rise, deadlineMs, stableMs }) => ({
    ...{ path, rise, deadline: formatDuration(deadlineMs) },
    ...(stableMs === 0 ? {} : { stable: formatDuration(stableMs) }),
  }),
  run: async (step, run) => {
    if (run.process === null) return failed('release_failed', 'no process to check');
    run.release.traffic?.mark(run.instance);
    const end = await checkProcess(step, run, run.process);
    if (end.kind !== 'failed') return end;
    const log = await run.logEvidence();
    return {
      kind: 'failed',
      failure: { ...end.failure, evidence: [...end.failure.evidence, ...log] },
    };
  },
};

async function checkProcess(
  step: Step<'check'>,
  run: InstanceRun,
  process: Started,
): Promise<StepEnd> {
  const { service, address } = run;
  const { rise, deadlineMs, stableMs } = step;
  const startedMs = performance.now();
  /** The deadline is the version's: while the control plane is waited for, it does not run. */
  let waitedMs = 0;
  let passes = 0;
  let last = 'none yet';
  /** What the gateway's own check says against it. */
  let gateway = '';
  /** Since when it passes; a failure or a gateway that disagrees begins it anew. */
  let stableSinceMs = Number.POSITIVE_INFINITY;
  let wasHealthy = false;
  let missingSinceMs = Number.POSITIVE_INFINITY;
  let claimedAtMs = Number.NEGATIVE_INFINITY;
  let isHurried = false;
  for (;;) {
    // In maint the gateway's checks rest, and a person may do anything to the process.
    if (performance.now() - claimedAtMs >= CLAIM_EVERY_MS) {
      const taken = takenOut(run, await run.serverNow(), WHILE_CHECKED);
      if (taken !== null) return taken;
      claimedAtMs = performance.now();
    }
    const answer = await raceEnd(run, probe(address, { ...service, ...step }));
    const ended = await run.ended();
    if (answer === undefined || ended !== '') {
      const elapsed = formatDuration(performance.now() - startedMs);
      const left = await stillRunning(run, process);
      return failedCheck(run, `process ${ended} after ${elapsed}${left}`, last);
    }
    last = answer.text;
    const wrong = answer.ok ? await wrongAnswer(step, run, process, answer) : '';
    if (wrong !== '') return failedCheck(run, wrong, last);
    if (!answer.isVoid) passes = answer.ok ? passes + 1 : 0;
    if (passes < rise) stableSinceMs = Number.POSITIVE_INFINITY;
    if (answer.ok && passes >= rise) {
      const askedMs = performance.now();
      // The process may die while the control plane is waited for; that is seen at the next round.
      const asked = await raceEnd(
        run,
        run.release.servers().then((servers) => ({ servers })),
      );
      if (asked === undefined) continue;
      const { servers } = asked;
      const server = servers.find(({ id }) => id === run.instance);
      const nowMs = performance.now();
      waitedMs += nowMs - askedMs;
      const taken = takenOut(run, server, WHILE_CHECKED);
      if (taken !== null) return taken;
      gateway = disagreement(server);
      missingSinceMs =
        server === undefined ? Math.min(missingSinceMs, nowMs) : Number.POSITIVE_INFINITY;
      if (nowMs - missingSinceMs >= REMOVED_AFTER_MS) return serverRemoved(service.upstream);
      stableSinceMs = gateway === '' ? Math.min(stableSinceMs, nowMs) : Number.POSITIVE_INFINITY;
      wasHealthy ||= gateway === '';
      const few = tooFewOthers(servers, run.instance, needOf(run));
      if (few?.kind === 'too_few_others' && !isHurried) {
        isHurried = true;
        const text = `${few.reason} while it is out: it is admitted as soon as it is healthy`;
        run.release.emit({ type: 'note', instance: run.instance, text });
      }
      if (nowMs - stableSinceMs >= (few === null ? stableMs : 0)) {
        const version = answer.version === '' ? 'not checked' : answer.version;
        return done({ answer: answer.text, version, passes });
      }
    }
    if (performance.now() - startedMs - waitedMs > deadlineMs) {
      const own = wasHealthy ? `not stable for ${formatDuration(stableMs)}` : 'not healthy';
      const verdict = gateway === '' ? own : `healthy from here, but ${gateway}`;
      return failedCheck(run, `${verdict} within ${formatDuration(deadlineMs)}`, last);
    }
    const stable = Number.isFinite(stableSinceMs)
      ? { stable: formatDuration(performance.now() - stableSinceMs) }
      : {};
    const shown = gateway === '' ? stable : { gateway };
    run.wait({ passes: `${Math.min(passes, rise)}/${rise}`, last: answer.text, ...shown });
    const { intervalMs } = step;
    // Only the gateway's word is missing.
    const soon = answer.refused || (passes >= rise && gateway !== '');
    await raceEnd(run, pause(soon ? Math.min(REFUSED_INTERVAL_MS, intervalMs) : intervalMs));
  }
}

/** As many others have to stay eligible; 0 where nobody counted them when it was taken out. */
function needOf({ plan }: InstanceRun): number {
  for (const step of plan.steps) if (step.kind === 'guard') return step.need ?? 0;
  return 0;
}

/** The version's failure, unless somebody has the server by now: then it is theirs. */
async function failedCheck(run: InstanceRun, reason: string, lastProbe: string): Promise<StepEnd> {
  const server = await run.serverNow();
  const taken = takenOut(run, server, WHILE_CHECKED);
  if (taken !== null) return taken;
  const end = {
    code: 'release_failed',
    reason: `check failed: ${reason}`,
    evidence: [`last probe: ${lastProbe}`],
  } as const;
  if (server?.admin.state !== 'ready') return { kind: 'failed', failure: end };
  const inTraffic = `${claimOn(server, run.release.owner)} ${WHILE_CHECKED}`;
  return { kind: 'failed', failure: { ...end, inTraffic } };
}

/** A healthy answer that proves that the wrong thing runs; '' when it is what was asked for. */
async function wrongAnswer(
  step: Step<'check'>,
  run: InstanceRun,
  process: Started,
  answer: Answer,
): Promise<string> {
  const { service, address, driver } = run;
  const { handle } = process;
  const port = service.checkRequest.port || address.port;
  let stranger = await driver.stranger(handle, address.port);
  if (stranger === '' && port !== address.port) {
    stranger = await driver.stranger(handle, port);
  }
  const who =
    stranger === '' ? `what was started, pid ${(await driver.state(handle)).pid}` : stranger;
  if (step.versionHeader !== '' && answer.version !== step.version) {
    return answer.version === ''
      ? `port ${port} answers without ${step.versionHeader}, so its version is not known (${who})`
      : `port ${port} answers ${answer.version}, not ${step.version} (${who})`;
  }
  return stranger === '' ? '' : `port ${port} is answered by ${stranger}, not by what was started`;
}

/** What a start command that ended has left running: said only when it was seen. */
async function stillRunning({ driver }: InstanceRun, { handle }: Started): Promise<string> {
  const what = await driver.leftBehind(handle);
  if (what === '') return '';
  return ` and left ${what} running; the start command must stay in the foreground`;
}

/** Undefined when the process ended first. */
async function raceEnd<Result>(
  run: InstanceRun,
  wanted: Promise<Result>,
): Promise<Result | undefined> {
  let isSettled = false;
  const ended = (async (): Promise<undefined> => {
    while (!isSettled && (await run.ended()) === '') await pause(WATCH_EVERY_MS);
    return undefined;
  })();
  try {
    return await Promise.race([wanted, ended]);
  } finally {
    isSettled = true;
  }
}

/** What the control plane's checks say against it; '' when they agree or there are none. */
function disagreement(server: PoolServer | undefined): string {
  if (server === undefined) return 'the upstream no longer has this server';
  if (server.checkType === 'none' || server.checks === 'up') return '';
  // The registry's `down`: the gateway's checks rest, and who lets it in is not for us to say.
  if (server.admin.state === 'maint') return '';
  return `the gateway's check says ${server.checks} (${server.checkReason || 'no probe yet'})`;
}
