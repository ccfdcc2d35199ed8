// A named group of interchangeable servers: takes table updates in, answers "which server takes the
// next request?" on the hot path, and keeps the exchange counters and gaps of receipts. `pick` is
// atomic (choose and count in one step, no await), allocates nothing, and never throws.

import {
  createUpstreamCounters,
  type ExchangeResult,
  eligibility,
  isCapacity,
  isTakenOut,
  ROUND_ROBIN,
  recordDuration,
  type ServerState,
  standingOf,
  type UpstreamChange,
  type UpstreamFigures,
  type UpstreamState,
} from '../model.ts';
import type { Balanced, Balancer } from './balancing/balancer.ts';
import { createBalancer, createEmptyBalancer } from './balancing/methods.ts';
import { isOpen, isOpenState, mayTake } from './balancing/open-servers.ts';
import { StickyServers } from './balancing/sticky.ts';
import { Ejections } from './ejections.ts';
import { figuresOf } from './figures.ts';
import { GapTracker } from './gaps.ts';
import { refusal, retryAfterSeconds } from './refusal.ts';
import { type Outcome, Server } from './server.ts';
import { ServerList } from './server-list.ts';

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
  #list = new ServerList();
  #settings = { balancing: ROUND_ROBIN, slowStartMs: 0, maxEjected: 1 };
  readonly #ejections = new Ejections();
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
    return this.#list.all;
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
   * backups take part only when no primary is eligible, and the ejected ones when nobody else is left.
   * Undefined: see `refusal`.
   */
  pick(request: Balanced, nowMs: number): Server | undefined {
    if (!this.#ejections.areAll(nowMs)) {
      const server =
        this.#sticky?.pick(request, nowMs) ??
        this.#primaries.pick(request, nowMs) ??
        this.#backups.pick(request, nowMs);
      server?.take(nowMs);
      if (server !== undefined) return server;
    }
    const last = this.#ejections.next(request.tried);
    if (last !== undefined) {
      last.takeAsLast(nowMs);
      this.counters.lastResorts += 1;
    } else if (request.tried.length === 0) this.counters.refused += 1;
    return last;
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
    return this.servers.some((other) => other !== server && mayTake(other, [], nowMs));
  }

  /** Why `pick` found no server, in words for the log. */
  refusal(nowMs: number): string {
    return refusal(this.name, this.servers, nowMs);
  }

  /** After how many seconds it makes sense to ask again: 1 to 5. */
  retryAfterSeconds(nowMs: number): number {
    return retryAfterSeconds(this.servers, nowMs);
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
    return figuresOf(this, [...this.servers, ...this.#leaving.values()], nowMs);
  }

  /**
   * Puts a table in force. Servers that stay keep their state; those that leave finish what they have. Returns
   * all of them.
   */
  apply(state: UpstreamState, nowMs: number): readonly Server[] {
    this.#primaries.close();
    this.#backups.close();
    const known = new Map(this.servers.map((server) => [server.id, server]));
    const next = new Map<string, Server>();
    // No other server could take over: all others are out by intent or by their checks.
    const isAlone = state.servers.filter(isOpenState).length === 1;
    for (const entry of state.servers) {
      // Two entries with one id would count one server twice, so the first wins.
      if (next.has(entry.id)) continue;
      const server = known.get(entry.id) ?? this.#rejoin(entry.id) ?? this.#join(entry);
      server.update(entry, { alone: isAlone && isOpenState(entry), nowMs });
      next.set(entry.id, server);
      known.delete(entry.id);
    }
    const left = [...known.values()];
    for (const server of left) this.#leave(server);
    this.#list = new ServerList(next.values());
    const { balancing, slowStartMs, maxEjected = 1 } = state;
    this.#settings = { balancing, slowStartMs, maxEjected };
    this.#setOpen(this.servers.filter(isOpen).length);
    const primaries = this.servers.filter((server) => !server.state.backup);
    const backups = this.servers.filter((server) => server.state.backup);
    for (const tier of [primaries, backups]) {
      const opened = tier.filter(isOpen);
      const isCarried = opened.some((server) => this.#carries(server, nowMs));
      this.#startSlowly(opened, { isCarried, slowStartMs: state.slowStartMs, nowMs });
    }
    this.#primaries = this.#balance(state, primaries, this.#primaries);
    this.#backups = this.#balance(state, backups, this.#backups);
    const { sticky } = state.balancing;
    this.#sticky = sticky === null ? undefined : new StickyServers(sticky, this.servers);
    this.#noteOut(this.servers);
    if (next.size > 0) this.#isStarting = false;
    return left.length === 0 ? this.servers : [...this.servers, ...left];
  }

  /**
   * Servers have new states, have joined or have left. It does the same as `apply`, but costs only what these servers
   * cost, where the method of balancing can do with that. Returns all of these.
   */
  change(change: UpstreamChange, nowMs: number): readonly Server[] {
    const { servers: states, left = [] } = change;
    const leavers = left.flatMap((id) => this.#list.get(id) ?? []);
    const isMove = leavers.length > 0 || states.some(({ id }) => this.#list.get(id) === undefined);
    let open = this.#open;
    for (const server of leavers) open -= Number(isOpen(server));
    for (const state of states) {
      const server = this.#list.get(state.id);
      open += Number(isOpenState(state)) - Number(server !== undefined && isOpen(server));
    }
    // When only one server is left, or a second one joins it, other rules of ejection hold. And some
    // changes concern the whole tier. In both cases all servers are looked at anew.
    const isOthers = open !== this.#open && (open === 1 || this.#open === 1);
    const isWhole = isMove && (this.#primaries.goesByList || this.#sticky !== undefined);
    if (isOthers || isWhole || states.some((state) => this.#isForAll(state))) {
      const servers = this.#list.statesWith(change);
      return [...this.apply({ name: this.name, ...this.#settings, servers }, nowMs)];
    }
    this.#setOpen(open);
    for (const server of leavers) {
      if (isOpen(server)) this.#balancerOf(server).remove(server);
      this.#list.remove(server);
      this.#leave(server);
    }
    const servers = this.#updated(change, open === 1, nowMs);
    const opened = servers.filter(isOpen);
    for (const isBackup of [false, true]) {
      const tier = opened.filter((server) => server.state.backup === isBackup);
      if (!tier.some((server) => this.#returning.has(server))) continue;
      const isCarried = this.servers.some(
        (server) => server.state.backup === isBackup && this.#carries(server, nowMs),
      );
      this.#startSlowly(tier, { isCarried, slowStartMs: this.#settings.slowStartMs, nowMs });
    }
    for (const server of opened) this.#balancerOf(server).add(server);
    this.#noteOut(servers);
    return [...servers, ...leavers];
  }

  /** Gives the servers their states, and newcomers their places, from the first to the last. */
  #updated(
    { servers: states, places = [] }: UpstreamChange,
    isAlone: boolean,
    nowMs: number,
  ): readonly Server[] {
    const order = [...states.keys()].sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0));
    return order.flatMap((at) => {
      const [state, place] = [states[at], places[at]];
      if (state === undefined) return [];
      const known = this.#list.get(state.id);
      if (known !== undefined && isOpen(known)) this.#balancerOf(known).remove(known);
      const server = known ?? this.#rejoin(state.id) ?? this.#join(state);
      if (known === undefined) {
        if (place === undefined) throw new Error(`server ${state.id}: changed, and not listed`);
        this.#list.insert(place, server);
      }
      server.update(state, { alone: isAlone && isOpenState(state), nowMs });
      return [server];
    });
  }

  #setOpen(open: number): void {
    this.#open = open;
    this.#ejections.bound(open, this.#settings.maxEjected);
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
      ejections: this.#ejections,
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
      if (server.state.isPanic === true) continue;
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

  /** True when the change concerns a whole tier: another tier, or another weight while it is out. */
  #isForAll(next: ServerState): boolean {
    const last = this.#list.get(next.id)?.state;
    if (last === undefined) return false;
    if (last.backup !== next.backup) return true;
    const isInBoth = isOpenState(last) && isOpenState(next);
    return last.weight !== next.weight && !isInBoth;
  }
}
