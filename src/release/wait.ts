// Waiting that can be ended: a pause with an abort signal, and the two-stage interrupt of a release
// (the first signal asks it to stop at a safe point, the second to stop where it is).

/** Resolves after `ms`, or at once when one of the signals is or gets aborted. Never rejects. */
export function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    for (const signal of signals) {
      if (signal.aborted) return end();
      signal.addEventListener('abort', end);
    }
  });
}

/** What a person, or a CI job that is cancelled, asked for by a signal. */
export class Interrupts {
  readonly #soft = new AbortController();
  readonly #hard = new AbortController();
  readonly #now = new AbortController();
  #name = '';
  #aborted = '';

  /** Aborted by the first signal: stop at the next safe point. */
  get soft(): AbortSignal {
    return this.#soft.signal;
  }

  /** Aborted by the second signal: stop now, whatever state that leaves. */
  get hard(): AbortSignal {
    return this.#hard.signal;
  }

  /** The first signal's name; '' when there was none. */
  get name(): string {
    return this.#name;
  }

  /** Aborted when the instance under way is not to be waited for either. */
  get now(): AbortSignal {
    return this.#now.signal;
  }

  /** Who wanted it to end, in words; '' when nobody did. */
  get aborted(): string {
    return this.#aborted;
  }

  /** Somebody wants the release to end at the next safe point; with `now` the instance goes back at once. */
  abort(who: string, now: boolean): void {
    if (this.#aborted === '') this.#aborted = who;
    this.#soft.abort();
    if (now) this.#now.abort();
  }

  raise(name: string): void {
    if (this.#soft.signal.aborted) this.#hard.abort();
    if (this.#name === '') this.#name = name;
    this.#soft.abort();
  }
}
