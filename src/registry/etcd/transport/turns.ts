// A watch goes on in turns, each from its beginning to its end: one after the other, after a failure with a
// pause that grows, until it is closed. A turn may be broken off, so that the next one begins at once.

import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoints, Follower } from './endpoints.ts';
import type { WatchHealth } from './watch-health.ts';

export class Turns {
  readonly #endpoints: Endpoints;
  readonly #health: WatchHealth;
  readonly #closing = new AbortController();
  #turn = new AbortController();
  #failures = 0;

  constructor(endpoints: Endpoints, health: WatchHealth) {
    this.#endpoints = endpoints;
    this.#health = health;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted || this.#endpoints.closing.aborted;
  }

  /** Of the turn that is under way, or was last; aborted when it is broken off. */
  get signal(): AbortSignal {
    return this.#turn.signal;
  }

  /** `turn` says what went wrong; '': go on at once. Resolves when closed. */
  async run(follower: Follower, turn: (signal: AbortSignal) => Promise<string>): Promise<void> {
    const following = this.#endpoints.follow(follower);
    try {
      while (!this.isClosed) {
        await this.#endpoints.there(this.#closing.signal);
        if (this.isClosed) return;
        this.#turn = new AbortController();
        const reason = await turn(this.#turn.signal);
        if (this.isClosed) return;
        if (reason === '') continue;
        this.#failures++;
        if (this.#failures > 1) this.#health.away(reason);
        await delay(this.#endpoints.pauseMs(this.#failures), undefined, {
          signal: this.#closing.signal,
        }).catch(() => {});
      }
    } finally {
      following.close();
    }
  }

  /** The turn under way has got something: the next failure is a first one. */
  succeeded(): void {
    this.#failures = 0;
  }

  breakOff(): void {
    this.#turn.abort();
  }

  close(): void {
    this.#closing.abort();
    this.#turn.abort();
  }
}
