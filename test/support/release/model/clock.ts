// A clock that is moved: timers, performance.now and Date.now of the process are its own. Files are real, so it moves only
// when nothing of the disk is under way and everything that could go on has gone on.

type Timer = { readonly atMs: number; readonly order: number; readonly call: () => void };

/** What the process waits for, other than timers. */
const DISK = /FS|CLOSE|FILE/i;

export class ModelClock {
  nowMs = 1000;
  #timers: Timer[] = [];
  #order = 0;

  constructor() {
    const set = (call: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): object => {
      this.#order += 1;
      const atMs = this.nowMs + Math.max(1, Math.trunc(ms));
      const timer = { atMs, order: this.#order, call: () => call(...args) };
      this.#timers.push(timer);
      return Object.assign(timer, { ref: () => timer, unref: () => timer });
    };
    const clear = (timer: unknown): void => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
    performance.now = () => this.nowMs;
    Date.now = () => this.nowMs;
  }

  /** Moves until then, or until it is over. */
  async moveTo(wantedMs: number, isOver: () => boolean = () => false): Promise<void> {
    const untilMs = Math.trunc(wantedMs);
    for (;;) {
      await quiet();
      if (isOver()) return;
      const nextMs = this.#timers.reduce((least, { atMs }) => Math.min(least, atMs), untilMs + 1);
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      const due = this.#timers.filter(({ atMs }) => atMs <= nextMs);
      for (const timer of due.sort((a, b) => a.order - b.order)) {
        // One that is due may end another one.
        if (!this.#timers.includes(timer)) continue;
        this.#timers = this.#timers.filter((one) => one !== timer);
        timer.call();
      }
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** What is left of a run does not come back in the next one. */
  forget(): void {
    this.#timers = [];
  }
}

async function quiet(): Promise<void> {
  for (let turns = 0; turns < 2; ) {
    await new Promise((resolve) => setImmediate(resolve));
    turns = process.getActiveResourcesInfo().some((name) => DISK.test(name)) ? 0 : turns + 1;
  }
}
