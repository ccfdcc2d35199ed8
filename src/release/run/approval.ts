// Where a release waits for a person who says `sluice approve`, from whatever machine. Nothing is drained
// meanwhile and the lock is renewed; what the release has put into traffic is looked at as before each drain.
// It stands in the journal before anybody is asked, and what was given is never asked for again.

import type { CommandDocument } from '../../admin/contract.ts';
import { APPROVAL } from '../../base/release-steps.ts';
import { formatDuration } from '../../base/units.ts';
import type { ApprovalPlan } from '../plan.ts';
import type { StepFailure } from '../step-end.ts';
import { pause } from '../wait.ts';
import type { Release } from './release.ts';

/** What was released before is looked at so often. */
const LOOK_EVERY_MS = 5000;

export class Approval {
  readonly #release: Release;
  #answer: CommandDocument | null = null;
  #changed = new AbortController();
  /** What is waited for; '' = nothing. */
  #before = '';

  constructor(release: Release) {
    this.#release = release;
  }

  /** One that came too late, or for what was approved already, changes nothing. */
  give(command: CommandDocument): void {
    if (this.#before === '' || command.before !== this.#before) return;
    this.#answer ??= command;
    this.#changed.abort();
  }

  /** Null when it was given. */
  async ask(plan: ApprovalPlan): Promise<StepFailure | null> {
    const { before, timeoutMs } = plan;
    const release = this.#release;
    const startedMs = performance.now();
    const until = new Date(Date.now() + timeoutMs).toISOString();
    const say = (phase: 'wait' | 'given' | 'missing', by: string, why: string, reason = '') => {
      const ms = Math.round(performance.now() - startedMs);
      release.emit({ type: 'approval', before, phase, ms, until, by, why, reason });
    };
    this.#answer = null;
    this.#changed = new AbortController();
    this.#before = before;
    await release.write({ kind: 'intent', step: APPROVAL, data: { before, until } });
    await release.flush();
    if (release.storage === null) {
      say('wait', '', '');
      release.onWaiting({ before, until });
    }
    const failure = await this.#awaited(plan, startedMs + timeoutMs);
    this.#before = '';
    if (failure !== null) {
      const { code, reason } = failure;
      await release.write({ kind: 'failed', step: APPROVAL, data: { before, code, reason } });
      say('missing', '', '', reason);
      return failure;
    }
    const { by, why } = this.#answer ?? { by: '', why: '' };
    await release.write({ kind: 'done', step: APPROVAL, data: { before, by, why } });
    say('given', by, why);
    return null;
  }

  async #awaited(plan: ApprovalPlan, deadlineMs: number): Promise<StepFailure | null> {
    const release = this.#release;
    const { interrupts } = release.options;
    for (;;) {
      if (release.storage !== null) return release.storage;
      if (interrupts.soft.aborted) {
        const what = interrupts.aborted === '' ? 'interrupted' : interrupts.aborted;
        return failureOf('interrupted', `${what}, while it waited for approval`);
      }
      const failed = await release.released.findFailed();
      if (failed !== null) return failed;
      // While it was looked, somebody may have ended it.
      if (this.#answer !== null && !interrupts.soft.aborted) return null;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) {
        const text = `not approved within ${formatDuration(plan.timeoutMs)}`;
        return failureOf('not_approved', `${text}, ${placeText(plan)}`);
      }
      await pause(
        Math.min(leftMs, LOOK_EVERY_MS),
        interrupts.soft,
        release.lost,
        this.#changed.signal,
      );
    }
  }
}

function placeText({ before }: ApprovalPlan): string {
  return before === 'first' ? 'before the first instance' : 'before the rest of the instances';
}

function failureOf(code: StepFailure['code'], reason: string): StepFailure {
  return { code, reason, evidence: [] };
}
