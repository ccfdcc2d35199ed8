// How long our own event loop stood still. A probe that ran out of time while we were not looking
// says nothing about the server; without this a starved host marks its whole fleet down at once
// (nginx's check module does).

const TICK_MS = 50;
/** Lateness below this is the ordinary jitter of timers. */
const TOLERANCE_MS = 20;

export class LoopWatch {
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #tickMs: number;
  #stalledMs = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.#tickMs = now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    // The checker's own timers keep the process alive, not this one.
    this.#timer.unref();
  }

  /** Time that the loop has lost since the start, ms, the stall that just ended included. */
  stalledMs(): number {
    return this.#stalledMs + this.#late();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#stalledMs += this.#late();
    this.#tickMs = this.#now();
  }

  #late(): number {
    const late = this.#now() - this.#tickMs - TICK_MS;
    return late > TOLERANCE_MS ? late : 0;
  }
}
