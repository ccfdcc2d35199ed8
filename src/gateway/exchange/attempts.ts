// The attempts of one request: who was tried, what came of it and what the client got, whether another one may
// follow, and what a method of balancing may ask about the request.

import {
  type BalanceKey,
  type ClosedBy,
  recordHead,
  type StoryAttempt,
  type StoryKind,
} from '../../model.ts';
import type { Balanced, Outcome, Server, Upstream } from '../../upstream.ts';
import {
  isIdempotent,
  type OwnResponse,
  type RequestHead,
  type ResponseHead,
  withFields,
} from '../message.ts';
import { type Recorder, type RequestIds, stateThen } from '../recorder.ts';
import type { TraceOfRequest } from '../tracing.ts';
import type { Result } from './account.ts';
import { balanceKey } from './balance-key.ts';
import type { ClientStream } from './client-stream.ts';
import { type Failure, mayRetry, outcomeOf } from './retry.ts';

const NONE: readonly Server[] = [];

/** An attempt that failed; `startMs` in it is on the clock of the gateway. */
export type FailedAttempt = {
  readonly told: StoryAttempt;
  /** What it would have been for the client. */
  readonly status: number;
  readonly isReused: boolean;
  /** '' = it is not traced. */
  readonly spanId: string;
};

const NO_FAILURES: readonly FailedAttempt[] = [];
/** Failed attempts that are remembered: the first ones, and as many of the last. */
const FAILURES_HALF = 4;

/** How many attempts are allowed, and for how long; 0 = no limit. */
export type TryLimits = { readonly tries: number; readonly triesTimeoutMs: number };

export class Attempts implements Balanced {
  tried = NONE;
  readonly isIdempotent: boolean;
  /** When the request came. */
  readonly beganMs: number;
  /** Of the response; 0: none has begun. */
  status = 0;
  /** Of the response's body, or through the tunnel. */
  bytes = 0;
  /** Of the answer that refused its body. */
  refusedWith = 0;
  closedBy: ClosedBy = '';
  /** The server's head, or the gateway's own answer. */
  response: ResponseHead | undefined;
  own: OwnResponse | undefined;
  /** Of the attempt under way: when it began, and how long until the head of its answer. */
  startedMs = 0;
  tookMs = 0;
  /** When its new connection stood; 0: it needed none, or that does not stand. */
  connectedMs = 0;
  failures = NO_FAILURES;
  failuresLeftOut = 0;
  /** Why no other one followed the last that failed, in words; '' = one did, or there was nobody left. */
  notRetried = '';
  /** A byte of the request was handed to an established connection. */
  isSent = false;
  failed: Failure | undefined;
  isRetried = false;
  /** The next one takes a new connection. */
  isFreshOnly = false;
  /** A server that had this request gave no whole answer. */
  #isSuspect = false;
  /** Of the request, and of the attempt under way. */
  trace: TraceOfRequest | undefined;
  spanId = '';
  readonly #head: RequestHead;
  readonly #client: ClientStream;
  #id = '';
  #idNumber = 0;

  constructor(head: RequestHead, client: ClientStream, nowMs: number) {
    this.beganMs = nowMs;
    this.#head = head;
    this.#client = client;
    this.isIdempotent = isIdempotent(head.method);
  }

  /** Of the request; it is made for whoever asks first. */
  idFrom(ids: RequestIds): string {
    if (this.#id === '')
      this.#id = this.#idNumber > 0 ? ids.textOf(this.#idNumber) : ids.idOf(this.#head.requestId);
    return this.#id;
  }

  /** The same as a number, as long as nobody has asked for the text; 0: there is a text. */
  idNumberFrom(ids: RequestIds): number {
    if (this.#idNumber > 0 || this.#id !== '' || ids.takes(this.#head.requestId))
      return this.#idNumber;
    this.#idNumber = ids.next();
    return this.#idNumber;
  }

  /** How long the client waited for the head of the last attempt's answer. */
  get waitMs(): number {
    return this.startedMs + this.tookMs - this.beganMs;
  }

  begin(nowMs: number): void {
    this.startedMs = nowMs;
    this.isSent = false;
    this.connectedMs = 0;
    if (this.trace !== undefined) this.spanId = this.trace.attemptId();
  }

  /** As it goes to a server. */
  get sentHead(): RequestHead {
    return this.trace?.head ?? this.#head;
  }

  /** What the gateway adds to it. `lines`: what is said of the client. */
  linesWith(lines: string, ids: RequestIds): string {
    if (!ids.isSent && this.trace === undefined) return lines;
    const id = ids.isSent ? `X-Request-Id: ${this.idFrom(ids)}\r\n` : '';
    return `${lines}${id}${this.trace?.lineFor(this.spanId) ?? ''}`;
  }

  /**
   * The one under way has failed; call it before the server hears of it. True: the connection was a kept one,
   * which the server had closed, and that says nothing about it. Its other idle ones are likely as dead, so
   * the next attempt takes a new one, on any server.
   */
  fails(failed: Failure, server: Server, isReused: boolean, nowMs: number): boolean {
    this.failed = failed;
    const told = this.told(server, nowMs, failed.reason);
    this.#remember({ told, status: failed.status, isReused, spanId: this.spanId });
    const isStale = isReused && failed.code === 'closed_early';
    if (isStale) this.isFreshOnly = true;
    else this.tried = [...this.tried, server];
    return isStale;
  }

  /** The one under way, as it is now. */
  told(server: Server, nowMs: number, failure: string): StoryAttempt {
    const { startedMs, connectedMs, tookMs, status } = this;
    return {
      ...{ server: server.id, startMs: startedMs, status, failure, retried: false },
      connectMs: connectedMs === 0 ? null : connectedMs - startedMs,
      headMs: status === 0 ? null : tookMs,
      tookMs: nowMs - startedMs,
      stateThen: stateThen(server, nowMs),
    };
  }

  /** Whether the request is worth a story now that it ends; '' = no. */
  storyKind(recorder: Recorder, result: Result, upstream: Upstream | undefined, nowMs: number) {
    if (result === 'answered' && this.status < 500 && !this.isRetried) {
      return upstream === undefined ? '' : recorder.whyOrdinary(upstream, this.waitMs, nowMs);
    }
    const isFailed = result !== 'answered' || this.status >= 500;
    const kind: StoryKind = isFailed ? 'failed' : 'retried';
    const status = this.status || this.refusedWith;
    return recorder.admits(kind, upstream?.name ?? '', status) ? kind : '';
  }

  #remember(failure: FailedAttempt): void {
    const { failures } = this;
    const isMuch = failures.length === 2 * FAILURES_HALF;
    if (isMuch) this.failuresLeftOut += 1;
    const kept = isMuch ? failures.toSpliced(FAILURES_HALF, 1) : failures;
    this.failures = [...kept, failure];
  }

  /** Of the answer, or of the 101 that opens a tunnel. */
  headCame(server: Server, nowMs: number): void {
    this.tookMs = nowMs - this.startedMs;
    recordHead(server.counters, this.tookMs);
  }

  /** `isReplayable`: the body so far is at hand. `sinceMs`: since the request came. */
  mayGoOn(failed: Failure, isReplayable: boolean, limits: TryLimits, sinceMs: number): boolean {
    this.notRetried = this.#whyOver(failed, isReplayable, limits, sinceMs);
    return this.notRetried === '';
  }

  #whyOver(failed: Failure, replayable: boolean, limits: TryLimits, sinceMs: number): string {
    const { isIdempotent: idempotent, isSent: sent } = this;
    if (!mayRetry(failed, { idempotent, replayable, sent })) {
      if (failed.retry === 'no') return 'after such a failure no other server is asked';
      if (!sent || idempotent) return 'its body was no longer at hand';
      return `a ${this.#head.method} that may have reached a server is not sent twice`;
    }
    const { tries, triesTimeoutMs } = limits;
    if (tries > 0 && this.tried.length >= tries) return `proxy.tries is ${tries}`;
    if (triesTimeoutMs > 0 && sinceMs >= triesTimeoutMs) return 'proxy.tries_timeout was over';
    return '';
  }

  keyOf(key: BalanceKey): string {
    return balanceKey(this.#head, this.#client, key);
  }

  /** With the cookie that keeps the client at its server, where there is one. */
  withCookie(head: ResponseHead, upstream: Upstream, server: Server): ResponseHead {
    const line = upstream.stickyLine(this, server);
    return line === '' ? head : withFields(head, head.fields + line);
  }

  /** What a failure says about the server. */
  outcomeOf(failed: Pick<Failure, 'source' | 'retry'>, hasOther: boolean): Outcome {
    const isFirst = !this.#isSuspect;
    if (failed.retry !== 'yes') this.#isSuspect = true;
    return outcomeOf(failed, { isFirst, hasOther });
  }
}
