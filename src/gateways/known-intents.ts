// The intents of each upstream as they were seen or written last, and what of them is to be written again
// though nobody has spoken: the registry has lost it, or it is in doubt who still goes by it.

import type { Intent } from './documents.ts';
import type { Shared, SharedIntents } from './shared-state.ts';

export type Known = {
  readonly intents: SharedIntents;
  /** When we wrote it ourselves. */
  readonly writtenMs: number;
  /** What the watch had seen by the time that we learnt this otherwise: it says nothing newer. */
  readonly passed: Shared | undefined;
  /** The registry has lost it, or shows an older one. */
  readonly mustWrite: boolean;
  /** What others have confirmed of it may be over. */
  readonly isDoubted: boolean;
};

const NOTHING: Known = {
  intents: { token: '', count: 0, line: '', servers: new Map(), modifyIndex: 0 },
  writtenMs: Number.NEGATIVE_INFINITY,
  ...{ passed: undefined, mustWrite: false, isDoubted: false },
};

export class KnownIntents {
  readonly #known = new Map<string, Known>();

  /** What is known of an upstream of which nothing is known. */
  of(upstream: string): Known {
    return this.#known.get(upstream) ?? NOTHING;
  }

  has(upstream: string): boolean {
    return this.#known.has(upstream);
  }

  get upstreams(): Iterable<string> {
    return this.#known.keys();
  }

  /** To be written, though nobody has spoken. */
  get unwritten(): readonly string[] {
    return [...this.#known].flatMap(([upstream, { mustWrite, isDoubted }]) =>
      mustWrite || isDoubted ? [upstream] : [],
    );
  }

  /** Of an earlier run: older than whatever the registry has. */
  remember(upstream: string, servers: ReadonlyMap<string, Intent>): void {
    const intents = { ...NOTHING.intents, token: 'remembered', modifyIndex: -1, servers };
    this.#known.set(upstream, { ...NOTHING, intents });
  }

  written(upstream: string, intents: SharedIntents, passed: Shared | undefined): void {
    this.#known.set(upstream, { ...NOTHING, intents, writtenMs: performance.now(), passed });
  }

  /** A doubt lasts until the token is another one. */
  seen(upstream: string, known: Pick<Known, 'intents' | 'passed' | 'mustWrite'>): void {
    const last = this.of(upstream);
    const isDoubted = last.isDoubted && last.intents.token === known.intents.token;
    this.#known.set(upstream, { ...last, ...known, isDoubted });
  }

  /**
   * The registry was away, or is met for the first time: its leases may have stood still meanwhile, and what
   * others say may be long over. The same intents under a new token have to be confirmed anew.
   */
  doubt(): void {
    for (const [upstream, known] of this.#known) {
      if (known.intents.token !== '') this.#known.set(upstream, { ...known, isDoubted: true });
    }
  }
}
