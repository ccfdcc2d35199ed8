// What a gateway tells the others of itself: records under its lease, written when their text has changed,
// one write at a time for each, the newest text. Nothing is written while nobody else is there. Now and then
// the records are compared with what was written: one that was lost, or overtaken by an older write that the
// network had held back, would keep the others waiting.

import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Lease } from '../registry.ts';

/** Making the texts takes at most one part in so many of our time. */
const REST_FACTOR = 4;
const RETRY_MS = 1000;
const COMPARE_EVERY_MS = 3000;

export type LeasedRecordsOptions = {
  readonly log: Log;
  readonly lease: () => Lease | undefined;
  /** Somebody else is there to read it. */
  readonly isRead: () => boolean;
  readonly keys: () => readonly string[];
  readonly text: (key: string) => string;
  /** Our records as the registry has them. @throws registry_… */
  readonly read: () => Promise<ReadonlyMap<string, string>>;
  /** Least time from one look to the next. */
  readonly restMs: number;
};

export class LeasedRecords {
  readonly #options: LeasedRecordsOptions;
  /** The text that was written last, or is being written. */
  readonly #written = new Map<string, string>();
  readonly #writing = new Set<string>();
  #scheduled: NodeJS.Timeout | undefined;
  #compared: NodeJS.Timeout | undefined;
  #restUntilMs = 0;
  #isFailing = false;
  #isClosed = false;

  constructor(options: LeasedRecordsOptions) {
    this.#options = options;
  }

  /** A text may have changed. */
  note(): void {
    if (this.#scheduled !== undefined || this.#isClosed || !this.#options.isRead()) return;
    this.#compareLater();
    this.#schedule(Math.max(0, this.#restUntilMs - performance.now()));
  }

  /** What was written is gone: the lease is another one. */
  again(): void {
    this.#written.clear();
    this.note();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#scheduled);
    clearTimeout(this.#compared);
  }

  #schedule(delayMs: number): void {
    this.#scheduled = setTimeout(() => {
      this.#scheduled = undefined;
      this.#look();
    }, delayMs).unref();
  }

  #look(): void {
    const startMs = performance.now();
    for (const key of this.#options.keys()) this.#publish(key);
    const endMs = performance.now();
    const restMs = Math.max(this.#options.restMs, REST_FACTOR * (endMs - startMs));
    this.#restUntilMs = endMs + restMs;
  }

  #publish(key: string): void {
    const open = this.#options.lease();
    // What comes while a write is under way is looked at after it.
    if (open === undefined || this.#writing.has(key)) return;
    const text = this.#options.text(key);
    if (text === this.#written.get(key)) return;
    this.#written.set(key, text);
    this.#writing.add(key);
    open.put(key, text).then(
      () => {
        this.#isFailing = false;
        this.#writing.delete(key);
        this.note();
      },
      (error: unknown) => {
        this.#writing.delete(key);
        // Under another lease all is written anew, and this write was in its way.
        if (this.#options.lease() !== open) return this.note();
        this.#written.delete(key);
        this.#failed(error);
      },
    );
  }

  #compareLater(): void {
    this.#compared ??= setTimeout(() => void this.#compare(), COMPARE_EVERY_MS).unref();
  }

  async #compare(): Promise<void> {
    const { read } = this.#options;
    const expected = new Map(this.#written);
    const found = await read().catch(() => expected);
    this.#compared = undefined;
    for (const [key, text] of expected) {
      if (found.get(key) === text || this.#writing.has(key)) continue;
      if (this.#written.get(key) === text) this.#written.delete(key);
    }
    this.note();
  }

  #failed(error: unknown): void {
    const { log, lease } = this.#options;
    if (!this.#isFailing) {
      log.warn({ reason: messageOf(error) }, 'other gateways do not hear of this one');
    }
    this.#isFailing = true;
    if (lease() !== undefined && this.#scheduled === undefined) this.#schedule(RETRY_MS);
  }
}
