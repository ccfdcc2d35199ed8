// The instances that this release has put into traffic, and whether they still serve. A check lasts
// for seconds and a version may fail after it, so they are looked at again before the next instance
// is touched, while it drains, and before the release is called a success. It is a failure of the
// version then, and it is taken back.

import { isSluiceError } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import type { Facts } from '../events.ts';
import type { StepFailure } from '../step-end.ts';
import { pause } from '../wait.ts';
import type { InstanceRun } from './instance-run.ts';

const LOOK_EVERY_MS = 250;

export class ReleasedInstances {
  readonly #runs = new Map<string, InstanceRun>();

  add(run: InstanceRun): void {
    this.#runs.set(run.instance, run);
  }

  newestFirst(): readonly InstanceRun[] {
    return [...this.#runs.values()].reverse();
  }

  remove(run: InstanceRun): void {
    this.#runs.delete(run.instance);
  }

  /** The run of a released instance that failed. */
  of(failure: StepFailure): InstanceRun | undefined {
    return this.#runs.get(failure.releasedBefore ?? '');
  }

  /** The first one whose process has ended; null when all live. */
  async findDead(): Promise<StepFailure | null> {
    for (const run of this.#runs.values()) {
      const ended = await endedIfKnown(run);
      if (ended !== '') return failureOf(run, `its process ${ended}`);
    }
    return null;
  }

  /**
   * The first one that is dead, or that is down and stays so for as long as a new process may take to
   * be healthy: a gateway that was restarted needs a moment to see it up again. Null when all serve,
   * as far as the control plane can be asked; one that is away is the matter of the next step.
   */
  async findFailed(wait: (facts: Facts) => void = () => {}): Promise<StepFailure | null> {
    const startedMs = performance.now();
    for (;;) {
      const dead = await this.findDead();
      if (dead !== null) return dead;
      const down = await this.#findDown();
      if (down === undefined) return null;
      const { run, reason } = down;
      const { checkDeadlineMs } = run.service;
      const { soft } = run.release.options.interrupts;
      if (soft.aborted) return null;
      if (performance.now() - startedMs > checkDeadlineMs) {
        return failureOf(run, `is down for ${formatDuration(checkDeadlineMs)} (${reason})`);
      }
      wait({ for: run.instance, down: reason });
      await pause(LOOK_EVERY_MS, soft);
    }
  }

  /** `down` is a verdict of several checks; `ejected` passes by itself, and maint is a person's. */
  async #findDown(): Promise<{ run: InstanceRun; reason: string } | undefined> {
    const [any] = this.#runs.values();
    const servers = (await any?.release.serversNow()) ?? [];
    for (const { id, admin, eligibility, checkReason } of servers) {
      const run = this.#runs.get(id);
      if (run === undefined || admin.state !== 'ready' || eligibility !== 'down') continue;
      return { run, reason: checkReason || 'no reason given' };
    }
    return undefined;
  }
}

/** A host that cannot be asked says nothing: whether it serves is what the gateways see. */
async function endedIfKnown(run: InstanceRun): Promise<string> {
  try {
    return await run.ended();
  } catch (error) {
    if (isSluiceError(error) && error.code === 'host_unreachable') return '';
    throw error;
  }
}

async function failureOf(run: InstanceRun, what: string): Promise<StepFailure> {
  const evidence = await run.logEvidence();
  const reason = `${run.instance}: ${what} after it had been released`;
  return { code: 'release_failed', reason, evidence, releasedBefore: run.instance };
}
