// The time of the registry's own deadlines, so that a test can hold it.

export type Clock = {
  /** Milliseconds that only rise; they mean nothing in another process. */
  readonly nowMs: () => number;
  /** Milliseconds since 1970, for what must outlive a restart. */
  readonly wallMs: () => number;
  /** Calls back after `delayMs`; returns the way to give it up. Keeps no process alive. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
};

/** The longest that a timer of Node takes. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(TIMER_MAX_MS, Math.max(0, delayMs)));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
