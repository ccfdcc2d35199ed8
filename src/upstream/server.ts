// One live server in a worker. It outlives table updates: in-flight requests, counters and passive
// failure state stay with it while the table's facts about it (`state`) are replaced. It does its
// own passive accounting (max_fails, fail_timeout); choosing among servers is the balancer's work.
//
// Source: nginx src/http/ngx_http_upstream_round_robin.c, get_peer and free_round_robin_peer. The
// differences: times are milliseconds (nginx: whole seconds), and a client that leaves early is
// neutral here (nginx takes it for a success).

import assert from 'node:assert/strict';
import {
  createServerCounters,
  type Findings,
  isOpenStanding,
  type ServerCounters,
  type ServerState,
  standingOf,
} from '../model.ts';
import { rampFactor } from './slow-start.ts';

/**
 * neutral: the client was at fault or left, which says nothing about the server. spared: a failure that
 * is counted but ejects no server, because a client can cause it and no other server could take over.
 */
export type Outcome = 'success' | 'failure' | 'spared' | 'neutral';

/** Who is told when the server is ejected, probed, or takes requests again. */
type SeesEjections = {
  struck(server: Server, nowMs: number): void;
  stays(server: Server, nowMs: number): void;
  cleared(server: Server): void;
};

export class Server {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly upstream: string;
  readonly counters: ServerCounters = createServerCounters();

  /** The one of its addresses that accepted a connection last; '' = none yet. The gateway writes it. */
  reachable = '';
  /** The two weights of the smooth weighted round robin. Only the balancers write them. */
  current = 0;
  effective: number;
  /** Its place in the table. The first server wins between equals. The upstream writes it. */
  position = 0;
  /** Set while the server is in a lane, where `current` is relative; see lane.ts. */
  lane: { readonly isOfOneLoad: boolean; drop(server: Server): void } | undefined;
  /** Its place in that lane's heap. */
  place = -1;
  /** True while it is among its upstream's news. The upstream writes it. */
  isNews = false;
  /** Counts with it. A balancer that goes by the sum sets it, for as long as the table lets it take requests. */
  tally: { inFlight: number } | undefined;
  /** For least_time: the recent time to the head of an answer, ms, and when that was. -1: none yet. */
  answerMs = -1;
  answeredAtMs = 0;

  readonly #onIdle: (server: Server) => void;
  readonly #onNews: (server: Server) => void;
  readonly #ejections: SeesEjections;
  #state: ServerState;
  #inFlight = 0;
  #gone = false;
  /** True when the table lets no other server take requests. Then this one is not ejected. */
  #alone = false;
  #fails = 0;
  #failedInARow = 0;
  #lastFailure = '';
  /** Wall clock, ms. */
  #lastFailureMs = 0;
  /** When the last failure was, and when the server was last picked after a fail_timeout. */
  #failedMs = Number.NEGATIVE_INFINITY;
  #probedMs = Number.NEGATIVE_INFINITY;
  /** It was taken while it was out, and has not failed since. */
  #isOnTrial = false;
  #rampFromMs = 0;
  /** When the slow start began; 0 = there is none. */
  #rampMs = 0;

  constructor(options: {
    readonly upstream: string;
    readonly state: ServerState;
    readonly onIdle: (server: Server) => void;
    /** Called when something that is reported of it changes, at least until it is `isNews`. */
    readonly onNews: (server: Server) => void;
    readonly ejections: SeesEjections;
  }) {
    this.id = options.state.id;
    this.host = options.state.host;
    this.port = options.state.port;
    this.upstream = options.upstream;
    this.#state = options.state;
    this.#onIdle = options.onIdle;
    this.#onNews = options.onNews;
    this.#ejections = options.ejections;
    this.effective = options.state.weight;
  }

  /** What the table last said. */
  get state(): ServerState {
    return this.#state;
  }

  /** Picks that are not settled yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** True when it left the table. It finishes what is in flight. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Failures that count for max_fails now. */
  get fails(): number {
    return this.#fails;
  }

  isEjected(nowMs: number): boolean {
    const { maxFails, failTimeoutMs } = this.#state;
    if (maxFails === 0 || this.#fails < maxFails || this.#alone) return false;
    return nowMs - this.#probedMs <= failTimeoutMs;
  }

  /** When an ejected server may be asked again. */
  ejectedForMs(nowMs: number): number {
    return this.#state.failTimeoutMs - (nowMs - this.#probedMs);
  }

  get failedInARow(): number {
    return this.#failedInARow;
  }

  findings(nowMs: number): Findings {
    const isEjected = this.isEjected(nowMs);
    return {
      failedInARow: this.#failedInARow,
      lastFailure: this.#lastFailure,
      lastFailureMs: this.#lastFailureMs,
      ramp: this.shownRamp(nowMs),
      ejectedUntilMs: isEjected ? Math.round(Date.now() + this.ejectedForMs(nowMs)) : 0,
    };
  }

  isFull(): boolean {
    return this.#state.maxConns > 0 && this.#inFlight >= this.#state.maxConns;
  }

  /** True when it gains its whole weight with each pick, until it is full, fails, or a new table changes that. */
  isSteady(): boolean {
    const { maxFails, weight } = this.#state;
    if (this.isFull() || this.#rampMs > 0 || this.effective !== weight) return false;
    return maxFails === 0 || this.#fails < maxFails || this.#alone;
  }

  /** The part of its weight that it has now in a slow start: 0.1 … 1. */
  ramp(nowMs: number): number {
    if (this.#rampMs === 0) return 1;
    const factor = rampFactor(nowMs - this.#rampFromMs, this.#rampMs);
    if (factor === 1) this.#rampMs = 0;
    return factor;
  }

  /** In hundredths: for people, who are told when it changes. */
  shownRamp(nowMs: number): number {
    return Math.round(100 * this.ramp(nowMs)) / 100;
  }

  /** The balancer chose it. While ejected, one request per fail_timeout gets through as a probe. */
  take(nowMs: number): void {
    if (nowMs - this.#probedMs > this.#state.failTimeoutMs) {
      this.#probedMs = nowMs;
      if (this.#isStruck()) this.#ejections.struck(this, nowMs);
    }
    if (!this.isNews) this.#onNews(this);
    this.#inFlight += 1;
    if (this.tally !== undefined) this.tally.inFlight += 1;
    const { lane } = this;
    if (lane !== undefined && (lane.isOfOneLoad || this.isFull())) lane.drop(this);
    this.counters.attempts += 1;
  }

  /** It is ejected, and taken because no other server is left. An answer brings it back at once. */
  takeAsLast(nowMs: number): void {
    this.#probedMs = nowMs;
    this.#isOnTrial = true;
    this.#ejections.struck(this, nowMs);
    this.take(nowMs);
  }

  /** It takes requests again, because too many are ejected. The next failure ejects it once more. */
  pardon(): void {
    this.#fails = Math.max(0, this.#state.maxFails - 1);
    this.#ejections.cleared(this);
    if (!this.isNews) this.#onNews(this);
  }

  /** Reports how an attempt ended, exactly once for each pick. `reason`: why it failed, for people. */
  settle(outcome: Outcome, nowMs: number, reason = ''): void {
    // With assert(…, message) the message would be built for every attempt.
    if (this.#inFlight === 0) assert.fail(`server ${this.id}: settled more often than picked`);
    this.#inFlight -= 1;
    if (this.tally !== undefined) this.tally.inFlight -= 1;
    if (this.lane?.isOfOneLoad === true) this.lane.drop(this);
    if (outcome === 'failure') this.#countFailure(nowMs, reason);
    else if (outcome === 'spared') this.#noteFailure(reason);
    else if (outcome === 'success') this.#failedInARow = 0;
    // A success clears the failures only when the server was probed after the last one, so that an
    // answer which was already under way when others failed does not.
    if (outcome === 'success' && (this.#failedMs < this.#probedMs || this.#isOnTrial)) {
      if (this.#isStruck()) this.#ejections.cleared(this);
      this.#isOnTrial = false;
      this.#fails = 0;
    }
    if (this.#inFlight === 0 && (this.#gone || this.#state.admin !== 'ready')) this.#onIdle(this);
  }

  #noteFailure(reason: string): void {
    this.counters.failures += 1;
    this.#failedInARow += 1;
    this.#lastFailure = reason;
    this.#lastFailureMs = Date.now();
  }

  #countFailure(nowMs: number, reason: string): void {
    this.#noteFailure(reason);
    if (this.#alone) return;
    this.lane?.drop(this);
    const { maxFails, weight } = this.#state;
    this.#fails += 1;
    this.#failedMs = nowMs;
    this.#probedMs = nowMs;
    this.#isOnTrial = false;
    if (maxFails > 0) {
      this.effective = Math.max(0, this.effective - Math.trunc(weight / maxFails));
    }
    if (this.#isStruck()) this.#ejections.struck(this, nowMs);
  }

  /** Takes over the facts of a new table. Only the upstream calls this. */
  update(next: ServerState, options: { readonly alone: boolean; readonly nowMs: number }): void {
    const last = this.#state;
    const rejoins = this.#gone;
    if (!this.isNews) this.#onNews(this);
    this.#state = next;
    this.#gone = false;
    this.#alone = options.alone;
    const cameBack =
      rejoins ||
      (isOpenStanding(standingOf(next)) && !isOpenStanding(standingOf(last))) ||
      (next.admin === 'ready' && last.admin !== 'ready') ||
      (next.checks === 'up' && last.checks !== 'up') ||
      next.addresses[0] !== last.addresses[0];
    // What a process did before its restart must not count against the one that runs now.
    if (cameBack) this.#forgive();
    // upsync begins the balancing of a changed server anew. We do the same, to pick in the same order.
    const changed =
      next.weight !== last.weight ||
      next.maxFails !== last.maxFails ||
      next.failTimeoutMs !== last.failTimeoutMs ||
      next.admin !== last.admin;
    if (changed || rejoins) {
      this.effective = next.weight;
      this.current = 0;
    }
    if (this.#isStruck()) this.#ejections.stays(this, options.nowMs);
    else this.#ejections.cleared(this);
  }

  /** The server left the table. Only the upstream calls this. */
  leave(): void {
    this.#gone = true;
    this.#rampMs = 0;
    this.#ejections.cleared(this);
    if (!this.isNews) this.#onNews(this);
  }

  /** Begins a slow start. Only the upstream calls this. */
  rampUp(slowStartMs: number, nowMs: number): void {
    this.#rampMs = slowStartMs;
    this.#rampFromMs = nowMs;
  }

  /** It may take requests, and failed so often that it is ejected, or is now probed. */
  #isStruck(): boolean {
    const { maxFails } = this.#state;
    if (maxFails === 0 || this.#fails < maxFails || this.#gone) return false;
    return isOpenStanding(standingOf(this.#state));
  }

  #forgive(): void {
    this.#isOnTrial = false;
    this.#fails = 0;
    this.#failedInARow = 0;
    this.#failedMs = Number.NEGATIVE_INFINITY;
    this.#probedMs = Number.NEGATIVE_INFINITY;
    this.effective = this.#state.weight;
    this.answerMs = -1;
  }
}
