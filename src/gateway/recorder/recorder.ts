// The flight recorder of one worker: decides which requests are worth a story, and holds these until the
// primary takes them, twice a second. What it holds is bounded, and so is how often a story is made: of a flood
// of equal failures the first ones of each half second are kept, and the rest are counted. An ordinary request
// costs two comparisons and makes nothing.

import type { Story, StoryBatch, StoryKind } from '../../model.ts';
import type { Upstream } from '../../upstream.ts';

/** Stories that are held at most until they are taken. */
export const HELD_MAX = 50;
/** Of the same kind, upstream and status. */
export const ALIKE_MAX = 10;
/** So many of the longest waits of each upstream, in each such time, ms. */
export const SLOWEST = 5;
const SLOWEST_SPAN_MS = 60_000;
/** An ordinary request is kept as often, ms. */
const SAMPLE_EVERY_MS = 10_000;

/** `waits`: the longest ones since `fromMs`, in no order. */
type Slowest = { readonly fromMs: number; readonly waits: number[] };

export class Recorder {
  #held: Story[] = [];
  #leftOut = 0;
  /** How many of each sort are held. */
  readonly #alike = new Map<string, number>();
  readonly #slowest = new Map<Upstream, Slowest>();
  #sampleAtMs = Number.NEGATIVE_INFINITY;

  /**
   * Of a request that a server has answered at once and well. Three parameters and no object: it is asked
   * about every request. '' = it is not worth a story; else make one.
   */
  whyOrdinary(upstream: Upstream, waitMs: number, nowMs: number): StoryKind | '' {
    if (waitMs > upstream.slowFromMs && this.#isSlow(upstream, waitMs, nowMs)) return 'slow';
    if (nowMs < this.#sampleAtMs || !this.#admits(`sampled ${upstream.name}`)) return '';
    this.#sampleAtMs = nowMs + SAMPLE_EVERY_MS;
    return 'sampled';
  }

  /** Of another one. False: it is counted, and no story should be made. */
  admits(kind: StoryKind, upstream: string, status: number): boolean {
    const isAdmitted =
      this.#held.length < HELD_MAX && this.#admits(`${kind} ${status} ${upstream}`);
    if (!isAdmitted) this.#leftOut += 1;
    return isAdmitted;
  }

  keep(story: Story): void {
    this.#held.push(story);
  }

  /** All that is held; a new span begins. */
  take(nowMs: number): StoryBatch {
    const batch = { stories: this.#held, leftOut: this.#leftOut };
    this.#held = [];
    this.#leftOut = 0;
    this.#alike.clear();
    for (const [upstream, { fromMs }] of this.#slowest) {
      if (nowMs - fromMs < SLOWEST_SPAN_MS) continue;
      this.#slowest.delete(upstream);
      upstream.slowFromMs = -1;
    }
    return batch;
  }

  #isSlow(upstream: Upstream, waitMs: number, nowMs: number): boolean {
    if (!this.#admits(`slow ${upstream.name}`)) return false;
    const known = this.#slowest.get(upstream);
    const waits: number[] = known?.waits ?? [];
    if (known === undefined) this.#slowest.set(upstream, { fromMs: nowMs, waits });
    if (waits.length === SLOWEST) waits.splice(waits.indexOf(Math.min(...waits)), 1);
    waits.push(waitMs);
    if (waits.length === SLOWEST) upstream.slowFromMs = Math.min(...waits);
    return true;
  }

  #admits(sort: string): boolean {
    const count = this.#alike.get(sort) ?? 0;
    if (count >= ALIKE_MAX || this.#held.length >= HELD_MAX) return false;
    this.#alike.set(sort, count + 1);
    return true;
  }
}
