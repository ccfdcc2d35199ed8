// A log line for what may happen ten thousand times a second: it is counted, and said with its number
// soon after the first time, then every so often while it goes on. Nothing is left unsaid at the end.

import type { Timed, Wheel } from './wheel.ts';

/** From the first time to the line: long enough that a burst is one line with its true number. */
const SOON_MS = 1000;
const AGAIN_MS = 10_000;

export class RareLine implements Timed {
  deadlineAt = Number.POSITIVE_INFINITY;
  slotTick = -1;
  /** Since the start. */
  total = 0;
  #said = 0;
  readonly #wheel: Wheel;
  readonly #say: (count: number) => void;

  /** `say` gets how often it happened since the last line. */
  constructor(wheel: Wheel, say: (count: number) => void) {
    this.#wheel = wheel;
    this.#say = say;
  }

  note(): void {
    this.total += 1;
    if (this.deadlineAt === Number.POSITIVE_INFINITY) this.#wheel.set(this, SOON_MS);
  }

  onDeadline(): void {
    if (this.#flush()) this.#wheel.set(this, AGAIN_MS);
  }

  /** Says what is left, and no more after it. */
  close(): void {
    this.#wheel.forget(this);
    this.#flush();
  }

  #flush(): boolean {
    const count = this.total - this.#said;
    if (count === 0) return false;
    this.#said = this.total;
    this.#say(count);
    return true;
  }
}
