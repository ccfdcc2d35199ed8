// The attempts of one request: who was tried, what came of it, and what a method of balancing may ask
// about the request. One object per exchange, used again.

import type { BalanceKey } from '../../model.ts';
import type { Balanced, Outcome, Server, Upstream } from '../../upstream.ts';
import type { RequestHead, ResponseHead } from '../http1/syntax.ts';
import { balanceKey } from './balance-key.ts';
import type { Client } from './client-stream.ts';
import { type Failure, outcomeOf } from './retry.ts';

export class Attempts implements Balanced {
  tried: Server[] = [];
  /** Of the attempt under way: when it began, and how long until the head of its answer. */
  startedMs = 0;
  tookMs = 0;
  failed: Failure | undefined;
  isRetried = false;
  /** The next one takes a new connection. */
  isFreshOnly = false;
  /** A server that had this request gave no whole answer. */
  #isSuspect = false;
  #head: RequestHead | undefined;
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  begin(head: RequestHead): void {
    this.#head = head;
  }

  keyOf(key: BalanceKey): string {
    return this.#head === undefined ? '' : balanceKey(this.#head, this.#client, key);
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

  reset(): void {
    if (this.tried.length > 0) this.tried = [];
    this.tookMs = 0;
    this.failed = undefined;
    this.isRetried = false;
    this.isFreshOnly = false;
    this.#isSuspect = false;
    this.#head = undefined;
  }
}
