// Connections to servers: those in use are counted, idle ones are kept. A server's newest idle one is
// taken first: it is the least likely to be closed by the server just now, and the rest can age out.
//
// How many are kept per server: with `auto`, idle and in use together as many as were in use at once
// lately, so that a steady load never reconnects whatever its size and an old peak is forgotten after
// two windows. A number bounds the idle ones alone. Over all servers: when there is no room for another
// socket, the connection that has idled longest gives way, whosever it is.

import { isTakenOut, standingOf } from '../../../model.ts';
import type { Server } from '../../../upstream.ts';
import type { Sockets } from '../../listener.ts';
import type { SecuredUpstreams } from '../../secured-upstreams.ts';
import { NO_CONNECTION } from '../../transport.ts';
import type { Timed, Wheel } from '../../wheel.ts';
import type { ServerConnection } from './server-connection.ts';

/** The peak of the last one to two windows counts. */
const WINDOW_MS = 15_000;
/** So many are kept whatever the peak was: for loads with long pauses. */
const KEPT_MIN = 32;

/** One upstream's connections in this worker. */
export type PoolFigures = {
  readonly name: string;
  idle: number;
  inUse: number;
  /** Connections opened since the start. */
  connects: number;
};

/** Of one server. */
export type ServerPool = {
  readonly server: Server;
  readonly figures: PoolFigures;
  /** As of the last table. */
  addresses: readonly string[];
  oldest: Place | undefined;
  newest: Place | undefined;
  idle: number;
  inUse: number;
  /** Most in use at once, in this window and in the one before. */
  peak: number;
  lastPeak: number;
};

/** Of one connection; while it idles it is linked to an older and a newer one. */
export type Place = {
  readonly connection: ServerConnection;
  readonly pool: ServerPool;
  /** The address that it leads to. When the server has another one, it is not kept. */
  address: string;
  /** How it is secured. The same holds. */
  target: ReturnType<SecuredUpstreams['targetOf']>;
  /** Of all servers. */
  older: Place | undefined;
  newer: Place | undefined;
  /** Of the same server. */
  olderHere: Place | undefined;
  newerHere: Place | undefined;
};

export class ConnectionPool implements Timed {
  deadlineAt = Number.POSITIVE_INFINITY;
  slotTick = -1;
  /** Idle connections that gave way to another socket. */
  evicted = 0;
  readonly #servers = new Map<Server, ServerPool>();
  readonly #figures = new Map<string, PoolFigures>();
  #keepalive: number | 'auto';
  readonly #sockets: Sockets;
  readonly #wheel: Wheel;
  readonly #secured: SecuredUpstreams;
  /** Of all servers, by the time since which they idle. */
  #oldest: Place | undefined;
  #newest: Place | undefined;

  constructor(options: {
    readonly keepalive: number | 'auto';
    readonly sockets: Sockets;
    readonly wheel: Wheel;
    readonly secured: SecuredUpstreams;
  }) {
    this.#keepalive = options.keepalive;
    this.#sockets = options.sockets;
    this.#wheel = options.wheel;
    this.#secured = options.secured;
    this.#wheel.set(this, WINDOW_MS);
  }

  /** By upstream; live objects. */
  figures(): Iterable<Readonly<PoolFigures>> {
    return this.#figures.values();
  }

  place(connection: ServerConnection): Place {
    const pool = this.#poolOf(connection.server);
    return {
      ...{ connection, pool, address: '', target: undefined, older: undefined, newer: undefined },
      ...{ olderHere: undefined, newerHere: undefined },
    };
  }

  #poolOf(server: Server): ServerPool {
    const known = this.#servers.get(server);
    if (known !== undefined) return known;
    const figures = this.#figuresOf(server.upstream);
    const pool: ServerPool = {
      ...{
        server,
        figures,
        addresses: server.state.addresses,
        oldest: undefined,
        newest: undefined,
      },
      ...{ idle: 0, inUse: 0, peak: 0, lastPeak: 0 },
    };
    this.#servers.set(server, pool);
    return pool;
  }

  /** Room for one more socket, if need be at the cost of idle connections. */
  makeRoom(): boolean {
    while (this.#sockets.isFull) if (!this.evict()) return false;
    return true;
  }

  /** Closes the connection that has idled longest. False: none idles. */
  evict(): boolean {
    const oldest = this.#oldest;
    if (oldest === undefined) return false;
    this.evicted += 1;
    oldest.connection.discard();
    return true;
  }

  /** Counts a connection that is about to be opened. False: there is no room for it. */
  open(pool: ServerPool): boolean {
    if (!this.makeRoom()) return false;
    this.#sockets.servers += 1;
    pool.figures.connects += 1;
    this.#use(pool);
    return true;
  }

  /** The newest idle connection to the server, taken out of the pool. */
  take(server: Server): ServerConnection | undefined {
    const place = this.#servers.get(server)?.newest;
    if (place === undefined) return undefined;
    this.#unlink(place);
    this.#use(place.pool);
    return place.connection;
  }

  /** Keeps a connection, unless its server is on its way out or has enough of them. */
  release(place: Place): void {
    const { pool, connection } = place;
    this.#unuse(pool);
    this.#link(place);
    if (!isKept(pool.server) || !this.#leadsToServer(place)) connection.discard();
    else this.#trim(pool);
  }

  /** Called by every connection when it closes. */
  closed(place: Place, wasIdle: boolean): void {
    if (place.connection.connection === NO_CONNECTION) return;
    this.#sockets.servers -= 1;
    if (wasIdle) this.#unlink(place);
    else this.#unuse(place.pool);
    this.#forgetGone(place.pool);
  }

  /** Closes the idle connections of one server: after one of them turned out to be dead. */
  clear(server: Server): void {
    const pool = this.#servers.get(server);
    while (pool?.oldest !== undefined) pool.oldest.connection.discard();
  }

  /** Closes idle connections to those that are drained, down, gone or elsewhere. After an update of these. */
  sweep(updated: Iterable<Server>): void {
    for (const server of updated) {
      const pool = this.#servers.get(server);
      if (pool === undefined) continue;
      if (isKept(server)) this.#leaveOld(pool);
      else this.clear(server);
      this.#forgetGone(pool);
    }
  }

  destroy(): void {
    this.#wheel.forget(this);
    for (const server of this.#servers.keys()) this.clear(server);
  }

  /** So many idle connections per server from now on. */
  keep(keepalive: number | 'auto'): void {
    this.#keepalive = keepalive;
    for (const pool of this.#servers.values()) this.#trim(pool);
  }

  /** A window is over: what nobody needed in this one and the one before is closed. */
  onDeadline(): void {
    for (const pool of this.#servers.values()) {
      pool.lastPeak = pool.peak;
      pool.peak = pool.inUse;
      this.#trim(pool);
    }
    this.#wheel.set(this, WINDOW_MS);
  }

  /** What is in flight may come back into the pool with its server: then it is its last one that ends it. */
  #forgetGone({ server, idle, inUse }: ServerPool): void {
    if (server.gone && idle + inUse === 0) this.#servers.delete(server);
  }

  /** The server has other addresses: closes the connections to those that it no longer has. */
  #leaveOld(pool: ServerPool): void {
    const { addresses } = pool.server.state;
    if (pool.addresses === addresses) return;
    pool.addresses = addresses;
    this.#leaveWrong(pool);
  }

  /** Other servers are spoken to over TLS, or in another way: idle connections of before are closed. */
  secureAnew(): void {
    for (const pool of this.#servers.values()) this.#leaveWrong(pool);
  }

  #leaveWrong(pool: ServerPool): void {
    let place = pool.oldest;
    while (place !== undefined) {
      const next = place.newerHere;
      if (!this.#leadsToServer(place)) place.connection.discard();
      place = next;
    }
  }

  #trim(pool: ServerPool): void {
    const idleMax =
      this.#keepalive === 'auto'
        ? Math.max(pool.peak, pool.lastPeak, KEPT_MIN) - pool.inUse
        : this.#keepalive;
    while (pool.idle > idleMax) pool.oldest?.connection.discard();
  }

  #leadsToServer({ address, pool, target }: Place): boolean {
    const { server } = pool;
    return server.state.addresses.includes(address) && this.#secured.targetOf(server) === target;
  }

  #use(pool: ServerPool): void {
    pool.inUse += 1;
    pool.figures.inUse += 1;
    if (pool.inUse > pool.peak) pool.peak = pool.inUse;
  }

  #unuse(pool: ServerPool): void {
    pool.inUse -= 1;
    pool.figures.inUse -= 1;
  }

  #link(place: Place): void {
    const { pool } = place;
    place.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.newer = place;
    this.#newest = place;
    place.olderHere = pool.newest;
    if (pool.newest === undefined) pool.oldest = place;
    else pool.newest.newerHere = place;
    pool.newest = place;
    pool.idle += 1;
    pool.figures.idle += 1;
  }

  #unlink(place: Place): void {
    const { pool, older, newer, olderHere, newerHere } = place;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (olderHere === undefined) pool.oldest = newerHere;
    else olderHere.newerHere = newerHere;
    if (newerHere === undefined) pool.newest = olderHere;
    else newerHere.olderHere = olderHere;
    place.older = undefined;
    place.newer = undefined;
    place.olderHere = undefined;
    place.newerHere = undefined;
    pool.idle -= 1;
    pool.figures.idle -= 1;
  }

  #figuresOf(name: string): PoolFigures {
    const known = this.#figures.get(name);
    if (known !== undefined) return known;
    const figures: PoolFigures = { name, idle: 0, inUse: 0, connects: 0 };
    this.#figures.set(name, figures);
    return figures;
  }
}

function isKept(server: Server): boolean {
  return !server.gone && !isTakenOut(standingOf(server.state));
}
