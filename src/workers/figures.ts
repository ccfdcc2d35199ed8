// Figures of the data plane in the primary: what each live worker last reported, and the sum of the
// dead ones. Sums only rise, also when a worker crashes: what it had in flight is then counted lost.

import type { SocketFigures } from '../gateway.ts';
import {
  addServerCounters,
  addSocketCounters,
  addUpstreamCounters,
  copyServerCounters,
  createServerCounters,
  createSocketCounters,
  createUpstreamCounters,
  type OldestRequest,
  openStreams,
  openTunnels,
  type ServerCounters,
  type ServerFigures,
  type SocketCounters,
  type UpstreamCounters,
} from '../model.ts';
import type { Report } from './protocol.ts';

/** The most servers of one upstream in a worker's figures. Above it, those that are gone are dropped. */
const SERVERS_MAX = 50_000;

export type UpstreamTotals = {
  readonly counters: UpstreamCounters;
  readonly servers: Map<string, ServerCounters>;
};

export type TotalsJson = {
  readonly counters: UpstreamCounters;
  readonly servers: readonly (readonly [string, ServerCounters])[];
};

export type DepartedJson = {
  readonly upstreams: readonly (readonly [string, TotalsJson])[];
  readonly sockets: SocketCounters & { readonly connects: readonly (readonly [string, number])[] };
  readonly gaps: readonly (readonly [string, number])[];
};

/** What a primary leaves to the next; of another protocol it is not used. */
export type FleetJson = {
  readonly protocol: number;
  readonly departed: DepartedJson;
  readonly crashes: number;
};

export function totalsToJson({ counters, servers }: UpstreamTotals): TotalsJson {
  return { counters, servers: [...servers] };
}

export function totalsOfJson({ counters, servers }: TotalsJson): UpstreamTotals {
  return { counters, servers: new Map(servers) };
}

/** Sums over all workers since the start. */
export type SocketTotals = SocketCounters & {
  /** Connections opened to servers, by upstream. */
  readonly connects: Map<string, number>;
};

/** What one worker last reported, put together from the changes that it sends. */
export class WorkerFigures {
  connections = 0;
  /** Undefined before the first report. */
  sockets: SocketFigures | undefined;
  readonly upstreams = new Map<
    string,
    { counters: UpstreamCounters; readonly servers: Map<string, ServerFigures> }
  >();
  oldest: readonly OldestRequest[] = [];
  /** Longest gap by receipt, ms. */
  readonly gaps = new Map<string, number>();

  take(report: Report): void {
    this.connections = report.connections;
    this.sockets = report.sockets;
    this.oldest = report.oldest;
    for (const { name, counters, servers } of report.upstreams) {
      const known = this.upstreams.get(name);
      const upstream = known ?? { counters, servers: new Map<string, ServerFigures>() };
      upstream.counters = counters;
      for (const server of servers) upstream.servers.set(server.id, server);
      if (upstream.servers.size > SERVERS_MAX) dropGone(upstream.servers);
      if (known === undefined) this.upstreams.set(name, upstream);
    }
    this.gaps.clear();
    for (const { id, longestMs } of report.gaps) this.gaps.set(id, longestMs);
  }

  server(upstream: string, id: string): ServerFigures | undefined {
    return this.upstreams.get(upstream)?.servers.get(id);
  }
}

/** The sums of workers that are gone. */
export class DepartedFigures {
  readonly #sockets = emptySocketTotals();
  readonly #upstreams = new Map<string, UpstreamTotals>();
  readonly #gaps = new Map<string, number>();

  /** For the next process. */
  toJson(): DepartedJson {
    const upstreams = [...this.#upstreams].map(
      ([name, totals]) => [name, totalsToJson(totals)] as const,
    );
    const sockets = { ...this.#sockets, connects: [...this.#sockets.connects] };
    return { upstreams, sockets, gaps: [...this.#gaps] };
  }

  /** What `toJson` of the process before says. */
  restore({ upstreams, sockets, gaps }: DepartedJson): void {
    for (const [name, totals] of upstreams) this.#upstreams.set(name, totalsOfJson(totals));
    Object.assign(this.#sockets, { ...sockets, connects: new Map(sockets.connects) });
    for (const [id, longestMs] of gaps) this.#gaps.set(id, longestMs);
  }

  /** The worker's process has ended, and what it had in flight stays without an answer. */
  bury(figures: WorkerFigures): void {
    for (const [name, { counters, servers }] of figures.upstreams) {
      const totals = this.#upstreams.get(name) ?? emptyTotals();
      addUpstreamCounters(totals.counters, counters);
      totals.counters.lost += counters.inFlight;
      totals.counters.inFlight -= counters.inFlight;
      totals.counters.tunnelsCut += openTunnels(counters);
      totals.counters.streamsCut += openStreams(counters);
      for (const [id, server] of servers) {
        addServer(totals.servers, id, server.counters);
        const sum = totals.servers.get(id);
        const open = openTunnels(server.counters);
        if (sum === undefined) continue;
        sum.lost += server.inFlight - open;
        sum.tunnelsCut += open;
        sum.streamsCut += openStreams(server.counters);
      }
      this.#upstreams.set(name, totals);
    }
    if (figures.sockets !== undefined) addReported(this.#sockets, figures.sockets);
    for (const [id, longestMs] of figures.gaps) {
      this.#gaps.set(id, Math.max(longestMs, this.#gaps.get(id) ?? 0));
    }
  }

  /** The departed and the living together, as new objects. */
  totals(upstream: string, living: Iterable<WorkerFigures>): UpstreamTotals {
    const totals = emptyTotals();
    const departed = this.#upstreams.get(upstream);
    if (departed !== undefined) {
      addUpstreamCounters(totals.counters, departed.counters);
      for (const [id, counters] of departed.servers) addServer(totals.servers, id, counters);
    }
    for (const figures of living) {
      const reported = figures.upstreams.get(upstream);
      if (reported === undefined) continue;
      addUpstreamCounters(totals.counters, reported.counters);
      for (const [id, server] of reported.servers) {
        addServer(totals.servers, id, server.counters);
      }
    }
    return totals;
  }

  /** The same of one server alone. */
  server(upstream: string, id: string, living: Iterable<WorkerFigures>): ServerCounters {
    const sum = createServerCounters();
    const departed = this.#upstreams.get(upstream)?.servers.get(id);
    if (departed !== undefined) addServerCounters(sum, departed);
    for (const figures of living) {
      const server = figures.server(upstream, id);
      if (server !== undefined) addServerCounters(sum, server.counters);
    }
    return sum;
  }

  /** The same without the servers. */
  counters(upstream: string, living: Iterable<WorkerFigures>): UpstreamCounters {
    const sum = createUpstreamCounters();
    const departed = this.#upstreams.get(upstream);
    if (departed !== undefined) addUpstreamCounters(sum, departed.counters);
    for (const figures of living) {
      const reported = figures.upstreams.get(upstream);
      if (reported !== undefined) addUpstreamCounters(sum, reported.counters);
    }
    return sum;
  }

  /** Requests that found no eligible server, of all workers that ever were. */
  refused(upstream: string, living: Iterable<WorkerFigures>): number {
    let sum = this.#upstreams.get(upstream)?.counters.refused ?? 0;
    for (const figures of living) sum += figures.upstreams.get(upstream)?.counters.refused ?? 0;
    return sum;
  }

  /** What happened to sockets, the departed and the living together. */
  socketTotals(living: Iterable<WorkerFigures>): SocketTotals {
    const totals = emptySocketTotals();
    addSockets(totals, this.#sockets, this.#sockets.connects);
    for (const { sockets } of living) if (sockets !== undefined) addReported(totals, sockets);
    return totals;
  }

  longestGapMs(receipt: string, living: Iterable<WorkerFigures>): number {
    let longest = this.#gaps.get(receipt) ?? 0;
    for (const figures of living) longest = Math.max(longest, figures.gaps.get(receipt) ?? 0);
    return longest;
  }

  forgetGap(receipt: string): void {
    this.#gaps.delete(receipt);
  }
}

function dropGone(servers: Map<string, ServerFigures>): void {
  for (const [id, { gone, inFlight }] of servers) if (gone && inFlight === 0) servers.delete(id);
}

function emptySocketTotals(): SocketTotals {
  return { ...createSocketCounters(), connects: new Map() };
}

function addReported(sum: SocketTotals, figures: SocketFigures): void {
  const connects = figures.upstreams.map(({ name, connects }) => [name, connects] as const);
  addSockets(sum, figures, connects);
}

function addSockets(
  sum: SocketTotals,
  counters: SocketCounters,
  connects: Iterable<readonly [upstream: string, count: number]>,
): void {
  addSocketCounters(sum, counters);
  for (const [name, count] of connects) {
    sum.connects.set(name, (sum.connects.get(name) ?? 0) + count);
  }
}

function emptyTotals(): UpstreamTotals {
  return { counters: createUpstreamCounters(), servers: new Map() };
}

function addServer(sums: Map<string, ServerCounters>, id: string, counters: ServerCounters): void {
  const sum = sums.get(id);
  if (sum === undefined) {
    sums.set(id, copyServerCounters(counters));
    return;
  }
  addServerCounters(sum, counters);
}
