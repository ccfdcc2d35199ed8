// The worker's side of pages. It asks the primary, which has the table and the figures of all workers.
// When many clients ask for the same page at a time, it asks once. Nothing here delays a request to a
// server. When the primary does not answer, a deadline ends the wait, and the number of waiters is bounded.

import type { ReadPage } from '../gateway.ts';
import type { TextAnswer } from '../model.ts';
import type { FromWorker } from './protocol.ts';

/** How long a page may take, ms. The primary waits at most a fourth of it for the workers' figures. */
const DEADLINE_MS = 2000;
/** The most different pages that are asked for at a time. */
const WAITING_MAX = 16;

type Waiting = {
  readonly key: string;
  readonly promise: Promise<TextAnswer>;
  readonly resolve: (page: TextAnswer) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
};

export class PageRequests {
  readonly #send: (message: FromWorker) => void;
  readonly #deadlineMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #requests = 0;

  constructor(send: (message: FromWorker) => void, deadlineMs = DEADLINE_MS) {
    this.#send = send;
    this.#deadlineMs = deadlineMs;
  }

  readonly read: ReadPage = (name, query) => {
    const key = `${name}?${query}`;
    for (const waiting of this.#waiting.values()) if (waiting.key === key) return waiting.promise;
    if (this.#waiting.size >= WAITING_MAX) return Promise.reject(new Error('too many pages'));
    this.#requests += 1;
    const request = this.#requests;
    const { promise, resolve, reject } = Promise.withResolvers<TextAnswer>();
    const timer = setTimeout(() => this.#settle(request, undefined), this.#deadlineMs);
    this.#waiting.set(request, { key, promise, resolve, reject, timer });
    this.#send({ kind: 'page', request, name, query });
    return promise;
  };

  /** null: the primary could not render it. */
  answered(request: number, page: TextAnswer | null): void {
    this.#settle(request, page ?? undefined);
  }

  #settle(request: number, page: TextAnswer | undefined): void {
    const waiting = this.#waiting.get(request);
    // An answer that comes too late is dropped.
    if (waiting === undefined) return;
    this.#waiting.delete(request);
    clearTimeout(waiting.timer);
    if (page === undefined) waiting.reject(new Error('no page'));
    else waiting.resolve(page);
  }
}
