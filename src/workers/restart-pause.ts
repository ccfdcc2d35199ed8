// How long to wait before a worker that ended unasked is replaced: not at all, but where that happens again and again.

/** A worker that lived shorter than this counts as part of a crash loop, ms. */
const SHORT_LIFE_MS = 5000;
const PAUSE_FIRST_MS = 100;
const PAUSE_MAX_MS = 5000;

export class RestartPause {
  #shortLives = 0;

  /** After a life of that long; 0 = at once. The first one is replaced at once however short it lived. */
  after(livedMs: number): number {
    this.#shortLives = livedMs < SHORT_LIFE_MS ? this.#shortLives + 1 : 0;
    const doublings = Math.min(this.#shortLives - 2, 10);
    return this.#shortLives < 2 ? 0 : Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** doublings);
  }
}
