// Hooks of an instance: before its old process is stopped, and when the new one has passed its check. While
// the first one runs, the instance is out and nothing is decided yet: the rest of the pool is watched as in
// the drain, and a person may take the server.

import { formatDuration } from '../../base/units.ts';
import { runHook } from '../hooks.ts';
import { hostOf } from '../hosts.ts';
import type { Step } from '../plan.ts';
import type { InstanceRun } from '../run.ts';
import { done, failed, type StepEnd } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import { pause } from '../wait.ts';
import { claimOn, takenOut } from './claim.ts';
import { tooFewOthers } from './pool.ts';

type HookKind = 'before_stop' | 'after_start';

const LOOK_EVERY_MS = 500;

export const beforeStop: StepDefinition<'before_stop'> = {
  touches: false,
  facts: factsOf,
  run: async (step, run) => {
    const { soft } = run.release.options.interrupts;
    const reason = new AbortController();
    const isOver = new AbortController();
    const watched = watch(step, run, isOver.signal).then((end) => {
      if (end !== null) reason.abort();
      return end;
    });
    const { trouble, evidence } = await runAt(step, run, AbortSignal.any([soft, reason.signal]));
    isOver.abort();
    const seen = await watched;
    if (seen !== null) return seen;
    if (soft.aborted) return failed('interrupted', 'interrupted in the hook before the stop');
    return endOf(trouble, evidence, 'before_stop');
  },
};

export const afterStart: StepDefinition<'after_start'> = {
  touches: true,
  facts: factsOf,
  run: async (step, run) => {
    // As a check it is finished after a first signal; the second one ends it.
    const { hard } = run.release.options.interrupts;
    const { trouble, evidence } = await runAt(step, run, hard);
    const taken = takenOut(run, await run.serverNow(), 'while its hook ran');
    if (taken !== null) return taken;
    const ended = await run.ended();
    if (ended !== '') {
      const reason = `process ${ended} while the hook after_start ran`;
      return failed('release_failed', reason, [...evidence, ...(await run.logEvidence())]);
    }
    return endOf(trouble, evidence, 'after_start');
  },
};

function factsOf({ on, command, timeoutMs }: Step<HookKind>) {
  return { on, command, deadline: formatDuration(timeoutMs) };
}

function endOf(trouble: string, evidence: readonly string[], point: HookKind): StepEnd {
  if (trouble === '') return done({});
  return failed('release_failed', `hook ${point} ${trouble}`, evidence);
}

async function runAt(step: Step<HookKind>, run: InstanceRun, stop: AbortSignal) {
  const { release, instance, plan, address } = run;
  const startedMs = performance.now();
  if (step.on === 'host') await run.claimHost();
  return runHook(release, {
    point: step.kind,
    hook: step,
    place: { host: hostOf(run.service, run.found), cwd: step.cwd },
    variables: {
      SLUICE_INSTANCE: instance,
      SLUICE_HOST: address.host,
      SLUICE_PORT: String(address.port),
      SLUICE_FROM: plan.from,
    },
    stop,
    onLine: (line) => {
      const ms = Math.round(performance.now() - startedMs);
      const data = { line };
      const base = { instance, step: step.kind, phase: 'output', ms, revert: false, data } as const;
      release.emit({ type: 'step', ...base });
    },
  });
}

/** What ends the step although its command runs, or has just ended; null when nothing does. */
async function watch(
  { need }: Step<'before_stop'>,
  run: InstanceRun,
  isOver: AbortSignal,
): Promise<StepEnd | null> {
  for (;;) {
    await pause(LOOK_EVERY_MS, isOver);
    const isLast = isOver.aborted;
    const servers = await run.release.serversNow();
    // A gateway that is away is the matter of the next step.
    const server = servers?.find(({ id }) => id === run.instance);
    const claim = server === undefined ? '' : claimOn(server, run.release.owner);
    if (claim !== '') return { kind: 'taken_over', reason: `${claim} before it was stopped` };
    const few =
      need === null || servers === null ? null : tooFewOthers(servers, run.instance, need);
    if (few !== null || isLast) return few;
    run.wait({ for: 'the hook' });
  }
}
