// What lasts longer than a request usually does: tunnels, streams of events, and responses that run for more
// than 10 s. They are counted by server, and when a server is taken out, those that would not end by
// themselves are closed as the upstream's `long_lived` says.
//
// Nothing here is asked of an ordinary request: what comes with its head, or in the read behind it, is never
// put down. Which of the other responses last is found out when somebody asks for the counts.

import type { LongLivedConfig } from '../../config.ts';
import type { Server, Upstream } from '../../upstream.ts';
import type { ResponseHead } from '../message.ts';
import type { Timed, Wheel } from '../wheel.ts';
import type { Result } from './account.ts';
import { EventEnds, isEventStream } from './long-lived/event-ends.ts';

/** A response that runs for longer is a stream, ms; docs/gateway.md says so. */
export const STREAM_AFTER_MS = 10_000;
/** What was asked to end is given so long, and again while it gets on, ms. */
const CLOSE_WAIT_MS = 1000;

/** What an exchange that lasts can do about it. */
export interface Closable {
  /**
   * End in good order, which may take a moment. `isLate`: it took too long; where it is possible at all.
   * False: it has got on, and is asked again.
   */
  close(isLate: boolean): boolean;
}

/** tunnel, events: it ends when somebody ends it. response: it ends by itself. */
type Kind = 'tunnel' | 'events' | 'response';

export type Begun = {
  readonly exchange: Closable;
  readonly upstream: Upstream;
  readonly server: Server;
  /** Undefined: it is a tunnel. */
  readonly response: ResponseHead | undefined;
  /** The response may end behind any piece. */
  readonly mayEndAnywhere: boolean;
  readonly sinceMs: number;
};

export class Lasting implements Timed {
  deadlineAt = Number.POSITIVE_INFINITY;
  slotTick = -1;
  readonly exchange: Closable;
  readonly upstream: Upstream;
  readonly server: Server;
  readonly kind: Kind;
  readonly sinceMs: number;
  readonly #wheel: Wheel;
  /** It is counted as a stream. */
  isStream = false;
  /** The gateway has ended it, because its server leaves. */
  isClosed = false;
  #isAsked = false;
  readonly #events: EventEnds | undefined;

  constructor(wheel: Wheel, of: Begun) {
    this.#wheel = wheel;
    this.exchange = of.exchange;
    this.upstream = of.upstream;
    this.server = of.server;
    this.sinceMs = of.sinceMs;
    const { response, mayEndAnywhere } = of;
    const isEvents = response !== undefined && isEventStream(response);
    this.kind = response === undefined ? 'tunnel' : isEvents ? 'events' : 'response';
    if (isEvents && mayEndAnywhere) this.#events = new EventEnds();
  }

  /** True: it can be ended here. */
  get isBetweenEvents(): boolean {
    return this.#events?.isBetween === true;
  }

  /** These bytes of its response are relayed; where it ends in them, or -1. */
  relays(buffer: Buffer, start: number, end: number): number {
    if (this.#events === undefined) return -1;
    const stop = this.#isAsked ? this.#events.find(buffer, start, end) : -1;
    if (stop === -1) this.#events.read(buffer, start, end);
    return stop;
  }

  closeIn(ms: number): void {
    if (this.#isAsked) return;
    if (ms > 0) this.#wheel.set(this, ms);
    else this.onDeadline();
  }

  /** Its server is back. What was asked to end ends. */
  keep(): void {
    if (!this.#isAsked) this.#wheel.clear(this);
  }

  onDeadline(): void {
    const isLate = this.#isAsked;
    this.#isAsked = true;
    // First: the call may be its end.
    this.#wheel.set(this, CLOSE_WAIT_MS);
    if (this.exchange.close(isLate) && isLate) this.#wheel.clear(this);
  }
}

/** Of one server. Those of the kind response become streams by their age: the oldest is the first. */
type OfServer = { readonly young: Set<Lasting>; readonly counted: Set<Lasting> };

export class LongLived {
  readonly #wheel: Wheel;
  readonly #random: () => number;
  readonly #byServer = new Map<Server, OfServer>();
  /** Servers that were taken out with something on them, and when that was. */
  readonly #leaving = new Map<Server, number>();
  policies: Readonly<Record<string, LongLivedConfig>> = {};

  /** `random` gives 0 … 1, 1 excluded. */
  constructor(wheel: Wheel, random: () => number = Math.random) {
    this.#wheel = wheel;
    this.#random = random;
  }

  began(of: Begun): Lasting {
    const lasting = new Lasting(this.#wheel, of);
    const { server, kind } = lasting;
    let list = this.#byServer.get(server);
    if (list === undefined) {
      list = { young: new Set(), counted: new Set() };
      this.#byServer.set(server, list);
    }
    if (kind === 'response') list.young.add(lasting);
    else list.counted.add(lasting);
    if (kind === 'events') countStream(lasting);
    const sinceMs = this.#leaving.get(server);
    // Its request was under way when the server was taken out.
    if (kind !== 'response' && isLeaving(server)) this.#closeOne(lasting, sinceMs ?? of.sinceMs);
    return lasting;
  }

  ended(lasting: Lasting, result: Result): void {
    const { server, upstream } = lasting;
    const list = this.#byServer.get(server);
    list?.young.delete(lasting);
    list?.counted.delete(lasting);
    this.#wheel.forget(lasting);
    if (!lasting.isStream) return;
    const isCut = result === 'cut' || result === 'lost';
    const fate = isCut ? 'streamsCut' : lasting.isClosed ? 'streamsClosed' : 'streamsEnded';
    server.counters[fate] += 1;
    upstream.counters[fate] += 1;
  }

  /** Servers of which something is kept. */
  get servers(): number {
    return this.#byServer.size;
  }

  /** Responses that have become streams meanwhile are counted as such. */
  age(nowMs: number): void {
    for (const [server, { young, counted }] of this.#byServer) {
      // Servers come and go: nothing is kept of one that is gone.
      if (server.gone && young.size + counted.size === 0) this.#byServer.delete(server);
      for (const lasting of young) {
        if (nowMs - lasting.sinceMs < STREAM_AFTER_MS) break;
        young.delete(lasting);
        counted.add(lasting);
        countStream(lasting);
      }
    }
  }

  /** The table has changed. `stopping`: the servers that take no new requests. */
  sweep(stopping: Iterable<Server>, nowMs: number): void {
    const still = new Set<Server>();
    for (const server of stopping) {
      still.add(server);
      if (this.#leaving.has(server) || !this.#byServer.has(server)) continue;
      this.#leaving.set(server, nowMs);
      this.#closeAll(server);
    }
    for (const server of this.#leaving.keys()) {
      if (still.has(server)) continue;
      this.#leaving.delete(server);
      for (const lasting of this.#byServer.get(server)?.counted ?? []) lasting.keep();
    }
  }

  /** Evenly over the time, each by chance in its part: no two clients in one moment, none left over. */
  #closeAll(server: Server): void {
    const policy = this.policies[server.upstream];
    const all = [...(this.#byServer.get(server)?.counted ?? [])].filter(isEndless);
    for (const [index, lasting] of all.entries()) {
      const part = (index + this.#random()) / all.length;
      this.#close(lasting, policy, part);
    }
  }

  #closeOne(lasting: Lasting, sinceMs: number): void {
    const policy = this.policies[lasting.server.upstream];
    this.#close(lasting, policy, this.#random(), lasting.sinceMs - sinceMs);
  }

  #close(
    lasting: Lasting,
    policy: LongLivedConfig | undefined,
    part: number,
    passedMs?: number,
  ): void {
    if (policy === undefined || policy.policy === 'wait') return;
    if (policy.policy === 'close_now') return lasting.closeIn(passedMs === undefined ? 0 : 1);
    const { graceMs, spreadMs } = policy;
    const restMs = Math.max(0, graceMs - (passedMs ?? 0));
    const spread = Math.min(spreadMs, restMs);
    lasting.closeIn(Math.max(1, restMs - spread + part * spread));
  }
}

function isLeaving(server: Server): boolean {
  return server.gone || server.state.admin !== 'ready';
}

/** A response that only takes long ends by itself, and cutting it would lose it. */
function isEndless({ kind }: Lasting): boolean {
  return kind !== 'response';
}

function countStream(lasting: Lasting): void {
  lasting.isStream = true;
  lasting.server.counters.streams += 1;
  lasting.upstream.counters.streams += 1;
}
