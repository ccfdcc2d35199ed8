// The attempts of one request: who was tried, what came of it, whether another one may follow, and what
// a method of balancing may ask about the request.

import { type BalanceKey, recordHead } from '../../model.ts';
import type { Balanced, Outcome, Server, Upstream } from '../../upstream.ts';
import { isIdempotent, type RequestHead, type ResponseHead } from '../message.ts';
import { balanceKey } from './balance-key.ts';
import type { ClientStream } from './client-stream.ts';
import { type Failure, mayRetry, outcomeOf } from './retry.ts';

const NONE: readonly Server[] = [];

/** How many attempts are allowed, and for how long; 0 = no limit. */
export type TryLimits = { readonly tries: number; readonly triesTimeoutMs: number };

export class Attempts implements Balanced {
  tried = NONE;
  readonly isIdempotent: boolean;
  /** Of the attempt under way: when it began, and how long until the head of its answer. */
  startedMs = 0;
  tookMs = 0;
  /** A byte of the request was handed to an established connection. */
  isSent = false;
  failed: Failure | undefined;
  isRetried = false;
  /** The next one takes a new connection. */
  isFreshOnly = false;
  /** A server that had this request gave no whole answer. */
  #isSuspect = false;
  readonly #head: RequestHead;
  readonly #client: ClientStream;

  constructor(head: RequestHead, client: ClientStream) {
    this.#head = head;
    this.#client = client;
    this.isIdempotent = isIdempotent(head.method);
  }

  begin(nowMs: number): void {
    this.startedMs = nowMs;
    this.isSent = false;
  }

  /** Of the answer, or of the 101 that opens a tunnel. */
  headCame(server: Server, nowMs: number): void {
    this.tookMs = nowMs - this.startedMs;
    recordHead(server.counters, this.tookMs);
  }

  /** `isReplayable`: the body so far is at hand. `sinceMs`: since the request came. */
  mayGoOn(failed: Failure, isReplayable: boolean, limits: TryLimits, sinceMs: number): boolean {
    const { isIdempotent: idempotent, isSent: sent } = this;
    return (
      mayRetry(failed, { idempotent, replayable: isReplayable, sent }) &&
      (limits.tries === 0 || this.tried.length < limits.tries) &&
      (limits.triesTimeoutMs === 0 || sinceMs < limits.triesTimeoutMs)
    );
  }

  keyOf(key: BalanceKey): string {
    return balanceKey(this.#head, this.#client, key);
  }

  /** With the cookie that keeps the client at its server, where there is one. */
  withCookie(head: ResponseHead, upstream: Upstream, server: Server): ResponseHead {
    const line = upstream.stickyLine(this, server);
    return line === '' ? head : { ...head, fields: head.fields + line };
  }

  /** What a failure says about the server. */
  outcomeOf(failed: Pick<Failure, 'source' | 'retry'>, hasOther: boolean): Outcome {
    const isFirst = !this.#isSuspect;
    if (failed.retry !== 'yes') this.#isSuspect = true;
    return outcomeOf(failed, { isFirst, hasOther });
  }
}
