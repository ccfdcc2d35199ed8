// A named group of interchangeable servers: takes table updates in, answers "which server takes the
// next request?" on the hot path, and keeps the exchange counters and gaps of receipts. `pick` is
// atomic (choose and count in one step, no await), allocates nothing, and never throws.

import {
  copyServerCounters,
  createUpstreamCounters,
  ELIGIBILITIES,
  type Eligibility,
  type ExchangeResult,
  eligibility,
  isCapacity,
  isTakenOut,
  ROUND_ROBIN,
  recordDuration,
  type ServerState,
  standingOf,
  type UpstreamFigures,
  type UpstreamState,
} from '../model.ts';
import type { Balanced, Balancer } from './balancing/balancer.ts';
import { createBalancer, createEmptyBalancer } from './balancing/methods.ts';
import { isOpen } from './balancing/open-servers.ts';
import { StickyServers } from './balancing/sticky.ts';
import { GapTracker } from './gaps.ts';
import { type Outcome, Server } from './server.ts';

/** Nobody knows when an operator, a check or the registry brings a server back. */
const RETRY_AFTER_MS = 5000;

export class Upstream {
  readonly name: string;
  readonly counters = createUpstreamCounters();
  /** A longer wait for an answer is worth a story, ms. The gateway's recorder writes it. */
  slowFromMs = -1;

  readonly #onIdle: (server: Server) => void;
  readonly #random: () => number;
  readonly #gaps = new GapTracker();
  /** Exchanges whose request is here in full and whose response has not begun. */
  #waiting = 0;
  #servers: readonly Server[] = [];
  #byId: ReadonlyMap<string, Server> = new Map();
  #settings = { balancing: ROUND_ROBIN, slowStartMs: 0 };
  /** How many of the servers may take requests, as far as the table says. */
  #open = 0;
  /** The servers that an operator took out. */
  readonly #stopping = new Set<Server>();
  /** Servers that left the table with requests in flight, by id. One that comes back is taken from here. */
  readonly #leaving = new Map<string, Server>();
  /** Each balances the servers of its tier, in the table's order. */
  #primaries: Balancer = createEmptyBalancer();
  #backups: Balancer = createEmptyBalancer();
  #sticky: StickyServers | undefined;
  /** Servers of which there may be something to report. */
  #news: Server[] = [];
  /** Servers that will start slowly when they may take requests again. */
  readonly #returning = new Set<Server>();
  /** True until a table has servers. Servers of the first such table do not start slowly. */
  #isStarting = true;

  /** `random` gives 0 … 1, 1 excluded. A test brings its own. */
  constructor(name: string, onIdle: (server: Server) => void, random: () => number = Math.random) {
    this.name = name;
    this.#onIdle = onIdle;
    this.#random = random;
  }

  /** In the order of the table. */
  get servers(): readonly Server[] {
    return this.#servers;
  }

  /** True while a server that left the table still has requests in flight. */
  get isLeaving(): boolean {
    return this.#leaving.size > 0;
  }

  /** Servers that take no new requests and finish what they have, in the table or out of it. */
  *stopping(): Generator<Server> {
    yield* this.#stopping;
    yield* this.#leaving.values();
  }

  /**
   * Servers, also some that have left, of which there may be something new since they were taken last; at most
   * so many, those that wait for the longest. One that has requests in flight, or that changes with time, must be
   * noted again by who takes it.
   */
  takeNews(most = Number.POSITIVE_INFINITY): readonly Server[] {
    const news = this.#news.slice(0, most);
    this.#news = this.#news.slice(news.length);
    for (const server of news) server.isNews = false;
    return news;
  }

  readonly note = (server: Server): void => {
    if (server.isNews) return;
    server.isNews = true;
    this.#news.push(server);
  };

  /**
   * The server for the next attempt. Its inFlight and attempts are raised already; settle it once. The
   * backups take part only when no primary is eligible. Undefined: see `refusal`.
   */
  pick(request: Balanced, nowMs: number): Server | undefined {
    const server =
      this.#sticky?.pick(request, nowMs) ??
      this.#primaries.pick(request, nowMs) ??
      this.#backups.pick(request, nowMs);
    if (server !== undefined) server.take(nowMs);
    else if (request.tried.length === 0) this.counters.refused += 1;
    return server;
  }

  /** An attempt on a server that `pick` chose has ended. `tookMs`: until the head of the answer. */
  settle(server: Server, outcome: Outcome, nowMs: number, tookMs: number, reason = ''): void {
    server.settle(outcome, nowMs, reason);
    this.#balancerOf(server).observe?.(server, outcome, tookMs, nowMs);
  }

  /** The Set-Cookie line that keeps the client at this server, with CRLF; '' for none. */
  stickyLine(request: Balanced, server: Server): string {
    return this.#sticky?.setCookie(request, server) ?? '';
  }

  /** True when another server may take the requests that `server` would lose if it were ejected. */
  hasOther(server: Server, nowMs: number): boolean {
    return this.#servers.some((other) => other !== server && eligibility(other, nowMs) === 'ok');
  }

  /** Why `pick` found no server, in words for the log. */
  refusal(nowMs: number): string {
    const counts = new Map<Eligibility, number>();
    for (const server of this.#servers) {
      const reason = eligibility(server, nowMs);
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    const parts = ELIGIBILITIES.filter((reason) => reason !== 'ok' && counts.has(reason)).map(
      (reason) => `${counts.get(reason)} ${reason}`,
    );
    // Servers that are eligible and were not picked: this exchange has tried them.
    if (counts.has('ok')) parts.push(`${counts.get('ok')} tried`);
    const why = parts.length === 0 ? 'the list is empty' : parts.join(', ');
    return `upstream "${this.name}": no eligible server (${why}); see "sluice status ${this.name}"`;
  }

  /** After how many seconds it makes sense to ask again: 1 to 5. */
  retryAfterSeconds(nowMs: number): number {
    let leastMs = RETRY_AFTER_MS;
    for (const server of this.#servers) {
      const reason = eligibility(server, nowMs);
      if (isCapacity(reason)) return 1;
      if (reason === 'ejected') leastMs = Math.min(leastMs, server.ejectedForMs(nowMs));
    }
    return Math.max(1, Math.ceil(leastMs / 1000));
  }

  /** An exchange begins. `isWhole`: its request is here in full, so it waits for a response. */
  began(nowMs: number, isWhole = true): void {
    this.counters.requests += 1;
    this.counters.inFlight += 1;
    if (isWhole) this.waits(nowMs);
  }

  /** The request is here in full now, and no response has begun. */
  waits(nowMs: number): void {
    this.#waiting += 1;
    this.#gaps.began(this.#waiting, nowMs);
  }

  /** A response begins. The exchange no longer waits, because the response may take hours to end. */
  responds(nowMs: number): void {
    this.#waiting -= 1;
    this.#gaps.ended(true, this.#waiting, nowMs);
  }

  /**
   * An exchange ends; call it once for each `began`. With `beganMs`, the duration of an answered exchange
   * goes into the histogram. `isWaiting`: its response had not begun before.
   */
  ended(result: ExchangeResult, nowMs: number, beganMs?: number, isWaiting = true): void {
    this.counters[result] += 1;
    this.counters.inFlight -= 1;
    if (isWaiting) {
      this.#waiting -= 1;
      this.#gaps.ended(result === 'answered', this.#waiting, nowMs);
    }
    if (result === 'answered' && beganMs !== undefined) {
      recordDuration(this.counters, nowMs - beganMs);
    }
  }

  /** Counts the status of an exchange's answer. 0: there was none. */
  countStatus(status: number): void {
    const { statuses } = this.counters;
    const place = status >= 100 && status < 600 ? (status / 100) | 0 : 0;
    statuses[place] = (statuses[place] ?? 0) + 1;
  }

  openGap(id: string, nowMs: number): void {
    this.#gaps.open(id, nowMs);
  }

  /** The longest gap since `openGap`, the one under way included, ms; 0 for an unknown id. */
  readGap(id: string, nowMs: number): number {
    return this.#gaps.read(id, nowMs);
  }

  closeGap(id: string): void {
    this.#gaps.close(id);
  }

  figures(nowMs: number): UpstreamFigures {
    return {
      name: this.name,
      counters: {
        ...this.counters,
        statuses: [...this.counters.statuses],
        durations: [...this.counters.durations],
      },
      servers: [...this.#servers, ...this.#leaving.values()].map((server) => ({
        id: server.id,
        gone: server.gone,
        inFlight: server.inFlight,
        eligibility: eligibility(server, nowMs),
        fails: server.fails,
        findings: server.findings(nowMs),
        counters: copyServerCounters(server.counters),
      })),
    };
  }

  /**
   * Puts a table in force. Servers that stay keep their state; those that leave finish what they have. Returns
   * all of them.
   */
  apply(state: UpstreamState, nowMs: number): readonly Server[] {
    this.#primaries.close();
    this.#backups.close();
    const known = new Map(this.#servers.map((server) => [server.id, server]));
    const next = new Map<string, Server>();
    // No other server could take over: all others are out by intent or by their checks.
    const isAlone = state.servers.filter((entry) => standingOf(entry) === 'ok').length === 1;
    for (const entry of state.servers) {
      // Two entries with one id would count one server twice, so the first wins.
      if (next.has(entry.id)) continue;
      const server = known.get(entry.id) ?? this.#rejoin(entry.id) ?? this.#join(entry);
      server.update(entry, { alone: isAlone && standingOf(entry) === 'ok' });
      next.set(entry.id, server);
      known.delete(entry.id);
    }
    const left = [...known.values()];
    for (const server of left) this.#leave(server);
    this.#servers = [...next.values()];
    this.#byId = next;
    this.#settings = { balancing: state.balancing, slowStartMs: state.slowStartMs };
    for (const [position, server] of this.#servers.entries()) server.position = position;
    const open = this.#servers.filter(isOpen);
    this.#open = open.length;
    const primaries = this.#servers.filter((server) => !server.state.backup);
    const backups = this.#servers.filter((server) => server.state.backup);
    for (const tier of [primaries, backups]) {
      const opened = tier.filter(isOpen);
      const isCarried = opened.some((server) => this.#carries(server, nowMs));
      this.#startSlowly(opened, { isCarried, slowStartMs: state.slowStartMs, nowMs });
    }
    this.#primaries = this.#balance(state, primaries, this.#primaries);
    this.#backups = this.#balance(state, backups, this.#backups);
    const { sticky } = state.balancing;
    this.#sticky = sticky === null ? undefined : new StickyServers(sticky, this.#servers);
    this.#noteOut(this.#servers);
    if (next.size > 0) this.#isStarting = false;
    return left.length === 0 ? this.#servers : [...this.#servers, ...left];
  }

  /**
   * Servers that stay in their places have new states. It does the same as `apply`, but costs only what
   * these servers cost. Returns those that have another state.
   */
  change(states: readonly ServerState[], nowMs: number): readonly Server[] {
    const changed = states.map((state): readonly [Server, ServerState] => {
      const server = this.#byId.get(state.id);
      if (server === undefined) throw new Error(`server ${state.id}: changed, and not listed`);
      return [server, state];
    });
    let open = this.#open;
    for (const [server, state] of changed) {
      open += Number(standingOf(state) === 'ok') - Number(isOpen(server));
    }
    // When only one server is left, or a second one joins it, other rules of ejection hold. And some
    // changes concern the whole tier. In both cases all servers are looked at anew.
    const isOthers = open !== this.#open && (open === 1 || this.#open === 1);
    if (isOthers || changed.some(([server, state]) => isForAll(server.state, state))) {
      const next = new Map(states.map((state) => [state.id, state]));
      const servers = this.#servers.map(({ id, state }) => next.get(id) ?? state);
      return this.apply({ name: this.name, ...this.#settings, servers }, nowMs);
    }
    this.#open = open;
    for (const [server] of changed) if (isOpen(server)) this.#balancerOf(server).remove(server);
    for (const [server, state] of changed) {
      server.update(state, { alone: open === 1 && standingOf(state) === 'ok' });
    }
    const servers = changed.map(([server]) => server);
    const opened = servers.filter(isOpen);
    for (const isBackup of [false, true]) {
      const tier = opened.filter((server) => server.state.backup === isBackup);
      if (!tier.some((server) => this.#returning.has(server))) continue;
      const isCarried = this.#servers.some(
        (server) => server.state.backup === isBackup && this.#carries(server, nowMs),
      );
      this.#startSlowly(tier, { isCarried, slowStartMs: this.#settings.slowStartMs, nowMs });
    }
    for (const server of opened) this.#balancerOf(server).add(server);
    this.#noteOut(servers);
    return servers;
  }

  #balance(state: UpstreamState, servers: readonly Server[], before: Balancer): Balancer {
    const { key, loadMax } = state.balancing;
    const options = { servers, key, loadMax, random: this.#random, before };
    return createBalancer(state.balancing.method, options);
  }

  #balancerOf({ state }: Server): Balancer {
    return state.backup ? this.#backups : this.#primaries;
  }

  #join(state: ServerState): Server {
    const server = new Server({
      upstream: this.name,
      state,
      onIdle: (idle) => {
        this.#leaving.delete(idle.id);
        this.#onIdle(idle);
      },
      onNews: this.note,
    });
    this.note(server);
    if (!this.#isStarting) this.#returning.add(server);
    return server;
  }

  #rejoin(id: string): Server | undefined {
    const server = this.#leaving.get(id);
    if (server === undefined) return undefined;
    this.#leaving.delete(id);
    this.#returning.add(server);
    return server;
  }

  #leave(server: Server): void {
    server.leave();
    this.#stopping.delete(server);
    this.#returning.delete(server);
    if (server.inFlight > 0) this.#leaving.set(server.id, server);
  }

  /** Begins the slow start of servers that have come back, unless no other server could take the rest. */
  #startSlowly(
    tier: readonly Server[],
    how: { readonly isCarried: boolean; readonly slowStartMs: number; readonly nowMs: number },
  ): void {
    for (const server of tier) {
      if (this.#returning.delete(server) && how.isCarried)
        server.rampUp(how.slowStartMs, how.nowMs);
    }
  }

  #carries(server: Server, nowMs: number): boolean {
    return !this.#returning.has(server) && isCapacity(eligibility(server, nowMs));
  }

  /**
   * True when it is out by intent or by a verdict, so that it starts slowly when it comes back. A server
   * of our first table that only waits for its first verdict does not: our own start is no reason for it.
   */
  #noteOut(servers: readonly Server[]): void {
    for (const server of servers) {
      if (server.state.admin === 'ready') this.#stopping.delete(server);
      else this.#stopping.add(server);
      if (isTakenOut(standingOf(server.state))) this.#returning.add(server);
    }
  }
}

/** True when the change concerns a whole tier: another tier, or another weight while it is out. */
function isForAll(last: ServerState, next: ServerState): boolean {
  if (last.backup !== next.backup) return true;
  const isInBoth = standingOf(last) === 'ok' && standingOf(next) === 'ok';
  return last.weight !== next.weight && !isInBoth;
}
