// Logs each worker that gives no sign of life, once. It does not kill it, because that would cut what the
// worker may still finish. Time in which this process itself stood still (SIGSTOP, a paused machine) does
// not count.

import type { Log } from '../base/log.ts';

/** A worker that gives no sign of life for this long hangs, ms. */
const SILENT_MS = 5000;
export const SILENCE_LOOK_MS = SILENT_MS / 5;

type Link = { readonly id: number; readonly pid: number; readonly heardMs: number };

export class SilenceWatch {
  readonly #log: Log;
  readonly #silent = new Set<Link>();
  #lookedMs: number;
  /** When this process could begin to hear the workers. */
  #awakeMs: number;

  constructor(log: Log, nowMs: number) {
    this.#log = log;
    this.#lookedMs = nowMs;
    this.#awakeMs = nowMs;
  }

  /** Every SILENCE_LOOK_MS. `nowMs` is monotonic. */
  look(links: Iterable<Link>, nowMs: number): void {
    if (nowMs - this.#lookedMs > 2 * SILENCE_LOOK_MS) this.#awakeMs = nowMs;
    this.#lookedMs = nowMs;
    for (const link of links) {
      const fields = { worker: link.id, pid: link.pid, silentMs: Math.round(nowMs - link.heardMs) };
      const isSilent = nowMs - Math.max(link.heardMs, this.#awakeMs) >= SILENT_MS;
      if (isSilent && !this.#silent.has(link)) {
        this.#silent.add(link);
        this.#log.warn(fields, 'worker does not answer; drains wait for it');
      } else if (!isSilent && link.heardMs >= this.#awakeMs && this.#silent.delete(link)) {
        this.#log.info(fields, 'worker answers again');
      }
    }
  }

  /** The worker has ended. */
  forget(link: Link): void {
    this.#silent.delete(link);
  }
}
