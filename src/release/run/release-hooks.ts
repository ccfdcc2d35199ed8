// Hooks of the release as a whole. One before it may refuse it; those at its end are told how it ended, and
// what goes wrong in them is a note.

import type { HookConfig } from '../../config.ts';
import type { ReleaseResult } from '../events.ts';
import { type HookEnd, type ReleasePoint, runHook } from '../hooks.ts';
import { masked } from '../masking.ts';
import type { StepFailure } from '../step-end.ts';
import type { Release } from './release.ts';

/** Why nothing may be begun; null when it may. */
export async function beforeRelease(release: Release): Promise<StepFailure | null> {
  const { hooks } = release.service;
  const { soft } = release.options.interrupts;
  if (hooks.beforeRelease === null) return null;
  const { trouble, evidence } = await runAt(
    release,
    'before_release',
    hooks.beforeRelease,
    {},
    soft,
  );
  if (soft.aborted) return { code: 'interrupted', reason: 'interrupted', evidence: [] };
  if (trouble === '') return null;
  return { code: 'preflight_failed', reason: `hook before_release ${trouble}`, evidence };
}

export async function afterRelease(release: Release, result: ReleaseResult): Promise<void> {
  const { hooks } = release.service;
  const { outcome, reason, exit } = result;
  // One that was refused, or did nothing, has no end of its own.
  if (outcome === 'refused' || outcome === 'unchanged') return;
  const [point, hook] =
    outcome === 'succeeded'
      ? (['after_release', hooks.afterRelease] as const)
      : (['on_failure', hooks.onFailure] as const);
  const { hard } = release.options.interrupts;
  if (hook === null || hard.aborted) return;
  const variables = {
    SLUICE_OUTCOME: outcome,
    SLUICE_REASON: masked(reason, release.secrets),
    SLUICE_EXIT: String(exit),
  };
  const { trouble } = await runAt(release, point, hook, variables, hard);
  if (trouble === '') return;
  release.emit({ type: 'note', instance: '', text: `hook ${point} ${trouble}` });
}

async function runAt(
  release: Release,
  point: ReleasePoint,
  hook: HookConfig,
  variables: Readonly<Record<string, string>>,
  stop: AbortSignal,
): Promise<HookEnd> {
  const startedMs = performance.now();
  const say = (phase: 'start' | 'output' | 'done' | 'failed', text: string): void => {
    const ms = Math.round(performance.now() - startedMs);
    release.emit({
      ...{ type: 'prepare', part: point, subject: hook.command, phase, ms, text },
      data: {},
    });
  };
  say('start', '');
  const onLine = (line: string): void => say('output', line);
  const end = await runHook(release, { point, hook, place: null, variables, stop, onLine });
  say(end.trouble === '' ? 'done' : 'failed', end.trouble);
  return end;
}
