// Several tries of one question, of which the first good answer counts: each begins when the one before
// failed or has been silent for a while, so that one address that stands still costs that while and not
// the time of a whole try.

/** One try; it ends early when the signal is aborted. */
export type Try<Outcome> = (signal: AbortSignal) => Promise<Outcome>;

/**
 * The first outcome that is good, or the last of all; the other tries are given up. A try that throws
 * ends all of them. `tries` has at least one.
 */
export function firstGood<Outcome>(
  tries: readonly Try<Outcome>[],
  options: {
    readonly isGood: (outcome: Outcome) => boolean;
    /** Silence after which the next begins, ms; 0 = all at once. */
    readonly staggerMs: number;
    readonly signal: AbortSignal;
  },
): Promise<Outcome> {
  const { isGood, staggerMs, signal } = options;
  const over = new AbortController();
  return new Promise<Outcome>((resolve, reject) => {
    let begun = 0;
    let ended = 0;
    let timer: NodeJS.Timeout | undefined;
    const take = (outcome: Outcome): void => {
      ended++;
      if (isGood(outcome) || ended === tries.length) resolve(outcome);
      else if (ended === begun) next();
    };
    const next = (): void => {
      clearTimeout(timer);
      const begin = tries[begun];
      if (begin === undefined || over.signal.aborted) return;
      begun++;
      begin(AbortSignal.any([over.signal, signal])).then(take, reject);
      if (staggerMs === 0) next();
      else timer = setTimeout(next, staggerMs);
    };
    over.signal.addEventListener('abort', () => clearTimeout(timer));
    next();
  }).finally(() => over.abort());
}
