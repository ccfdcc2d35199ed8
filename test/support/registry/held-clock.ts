// A clock that a test moves: nothing happens but what `advance` reaches.

import { SluiceError } from '../../../src/base/errors.ts';

type Timer = { readonly atMs: number; readonly callback: () => void };

export class HeldClock {
  #ms = 1_000_000;
  #setBackMs = 0;
  readonly #timers = new Set<Timer>();

  readonly nowMs = (): number => this.#ms;
  readonly wallMs = (): number => this.#ms - this.#setBackMs;
  readonly after = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { atMs: this.#ms + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Moves to each timer on the way and calls it there. */
  advance(ms: number): void {
    const endMs = this.#ms + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= endMs);
      const next = due.reduce<Timer | undefined>(
        (first, timer) => (first === undefined || timer.atMs < first.atMs ? timer : first),
        undefined,
      );
      if (next === undefined) break;
      this.#ms = Math.max(this.#ms, next.atMs);
      this.#call(next);
    }
    this.#ms = endMs;
  }

  /** Somebody corrects the clock on the wall. */
  setBack(ms: number): void {
    this.#setBackMs += ms;
  }

  /** The process stands still for so long: the timers that were due meanwhile come late, all at once. */
  standStill(ms: number): void {
    this.#ms += ms;
    const due = [...this.#timers].filter(({ atMs }) => atMs <= this.#ms);
    if (due.length === 0) throw new SluiceError('internal', 'no timer was due: the test is wrong');
    for (const timer of due) this.#call(timer);
  }

  #call(timer: Timer): void {
    this.#timers.delete(timer);
    timer.callback();
  }
}
