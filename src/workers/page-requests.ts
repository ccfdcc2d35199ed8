// The worker's side of pages: asks the primary, which has the table and everybody's figures. The
// same page asked for by many at a time is asked for once. Nothing here holds up a request to a
// server, and a primary that does not answer costs a deadline and a bounded number of waiters.

import type { ReadPage } from '../gateway.ts';
import type { TextAnswer } from '../model.ts';
import type { FromWorker } from './protocol.ts';

/** The primary waits at most a fourth of it for the workers' figures, ms. */
const DEADLINE_MS = 2000;
/** Different pages asked for at a time. */
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
    // Too late is as if it had never come.
    if (waiting === undefined) return;
    this.#waiting.delete(request);
    clearTimeout(waiting.timer);
    if (page === undefined) waiting.reject(new Error('no page'));
    else waiting.resolve(page);
  }
}
