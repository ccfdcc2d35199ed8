// What people ask of a release while it runs: pause, resume, approve, abort. It hears of them with the renewal of
// its lock, and obeys at the next safe point.

import type { CommandDocument } from '../../admin/contract.ts';
import { PAUSE } from '../../base/release-steps.ts';
import { pause } from '../wait.ts';
import { Approval } from './approval.ts';
import type { Release } from './release.ts';

export class Commands {
  readonly approval: Approval;
  readonly #release: Release;
  #paused: CommandDocument | null = null;
  #changed = new AbortController();

  constructor(release: Release) {
    this.#release = release;
    this.approval = new Approval(release);
  }

  obey(command: CommandDocument): void {
    const { command: kind, by, why } = command;
    const release = this.#release;
    const who = `${by}${why === '' ? '' : `: ${why}`}`;
    void release.write({ kind: 'command', data: { command: kind, by, why } });
    if (kind === 'pause') {
      this.#paused = command;
      release.note(`to be paused by ${who}`);
    } else if (kind === 'resume') {
      if (this.#paused !== null) release.note(`resumed by ${who}`);
      this.#paused = null;
    } else if (kind === 'approve') {
      this.approval.give(command);
    } else {
      release.note(`to be aborted by ${who}`);
      release.options.interrupts.abort(`aborted by ${who}`, kind === 'abort_now');
    }
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  /** Resolves when the release may go on, or is to end. */
  async unpaused(): Promise<void> {
    const release = this.#release;
    const { soft } = release.options.interrupts;
    if (this.#paused === null) return;
    const { by, why } = this.#paused;
    const sinceMs = performance.now();
    // Whoever looks at the lock or the journal sees that it stands still, and since when.
    await release.write({ kind: 'intent', step: PAUSE, data: { by, why } });
    release.note(`paused by ${by}; go on with: sluice resume ${release.service.name}`);
    release.onPaused();
    while (this.#paused !== null && !soft.aborted && release.loss === null) {
      await pause(60_000, soft, release.lost, this.#changed.signal);
    }
    const ms = Math.round(performance.now() - sinceMs);
    await release.write({ kind: 'done', step: PAUSE, data: { ms } });
  }
}
