// Whether a request's body comes too slowly: its rate over windows of the time in which it is read.
// Not counted is what the client cannot help: the time before its first bytes are asked for, and the
// time in which the gateway does not read because the server is slower.

const WINDOW_MS = 10_000;

export class BodyPace {
  /** NaN: no window is open. */
  #fromMs = Number.NaN;
  #bytes = 0;

  /** Another body, or another stretch of reading. */
  restart(): void {
    this.#fromMs = Number.NaN;
  }

  /** `bytes` were read now. `rate`: bytes per second at least; 0 = any. */
  isTooSlow(bytes: number, nowMs: number, rate: number): boolean {
    if (Number.isNaN(this.#fromMs)) {
      this.#fromMs = nowMs;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    const ms = nowMs - this.#fromMs;
    if (ms < WINDOW_MS) return false;
    this.#fromMs = Number.NaN;
    return this.#bytes * 1000 < rate * ms;
  }
}
