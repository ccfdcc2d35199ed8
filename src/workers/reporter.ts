// A worker's figures for the primary: what changed since the report before. It counts by server id
// over the worker's whole life, so a server that left and came back goes on where it was, and a
// leaver's last requests are still reported.

import {
  addServerCounters,
  copyServerCounters,
  eligibility,
  type ServerCounters,
  type ServerFigures,
  sumOfServerCounters,
} from '../model.ts';
import type { Server, Upstream, UpstreamSet } from '../upstream.ts';
import type { BusyServer, UpstreamReport } from './protocol.ts';

/** The most servers that are gone and whose counters are kept. The oldest are forgotten. */
const GONE_MAX = 20_000;

/** `total` sums the counters: they only rise, so an equal total means that none has changed. */
type Seen = { last: ServerFigures | undefined; total: number };

export class Reporter {
  readonly #upstreams: UpstreamSet;
  /** Servers that were reported, also those that have left the table since. */
  readonly #seen = new Map<Server, Seen>();
  /** Counters of servers that left and may come back, by upstream and id. */
  readonly #earlier = new Map<string, ServerCounters>();

  constructor(upstreams: UpstreamSet) {
    this.#upstreams = upstreams;
  }

  /**
   * It costs what the servers cost that have something new, however many there are. At most so many of an
   * upstream are in it, and the others in the next one.
   */
  report(nowMs: number, most = Number.POSITIVE_INFINITY): UpstreamReport[] {
    const upstreams = [...this.#upstreams.all(), ...this.#upstreams.removed()];
    return upstreams.map((upstream) => ({
      name: upstream.name,
      counters: upstream.counters,
      servers: upstream.takeNews(most).flatMap((server) => this.#newsOf(upstream, server, nowMs)),
    }));
  }

  #newsOf(upstream: Upstream, server: Server, nowMs: number): readonly ServerFigures[] {
    const seen = this.#seen.get(server) ?? { last: undefined, total: 0 };
    const snapshot = this.#difference(server, seen, nowMs);
    if (server.gone && server.inFlight === 0) this.#retire(server);
    else {
      this.#seen.set(server, seen);
      // What comes next of it comes without another word: an end, or the time.
      const isMoving = server.inFlight > 0 || server.isEjected(nowMs) || server.ramp(nowMs) < 1;
      if (isMoving) upstream.note(server);
    }
    return snapshot === undefined ? [] : [snapshot];
  }

  /** Whoever reads the reports is another one: the next holds everything. */
  beginAnew(): void {
    this.#seen.clear();
    for (const upstream of [...this.#upstreams.all(), ...this.#upstreams.removed()]) {
      for (const server of [...upstream.servers, ...upstream.stopping()]) upstream.note(server);
    }
  }

  /** Servers that take no new requests and have some in flight, in the table or leaving it. */
  busy(): BusyServer[] {
    const busy: BusyServer[] = [];
    for (const { upstream, id, inFlight } of this.#upstreams.stopping()) {
      if (inFlight > 0) busy.push({ upstream, server: id, inFlight });
    }
    return busy;
  }

  #difference(server: Server, seen: Seen, nowMs: number): ServerFigures | undefined {
    const { counters, inFlight, fails, failedInARow, gone } = server;
    const now = eligibility(server, nowMs);
    const { last } = seen;
    const total = sumOfServerCounters(counters);
    const isSame =
      last !== undefined &&
      last.inFlight === inFlight &&
      last.eligibility === now &&
      last.fails === fails &&
      last.findings.failedInARow === failedInARow &&
      last.findings.ramp === server.shownRamp(nowMs) &&
      last.gone === gone &&
      seen.total === total;
    if (isSame) return undefined;
    const earlier = this.#earlier.get(keyOf(server));
    seen.total = total;
    seen.last = {
      id: server.id,
      gone,
      inFlight,
      fails,
      findings: server.findings(nowMs),
      eligibility: now,
      counters: earlier === undefined ? copyServerCounters(counters) : sum(earlier, counters),
    };
    return seen.last;
  }

  #retire(server: Server): void {
    this.#seen.delete(server);
    const key = keyOf(server);
    const earlier = this.#earlier.get(key);
    this.#earlier.delete(key);
    this.#earlier.set(key, earlier === undefined ? server.counters : sum(earlier, server.counters));
    if (this.#earlier.size > GONE_MAX) {
      for (const oldest of this.#earlier.keys()) {
        this.#earlier.delete(oldest);
        break;
      }
    }
  }
}

function keyOf(server: Server): string {
  return `${server.upstream}\n${server.id}`;
}

function sum(a: ServerCounters, b: ServerCounters): ServerCounters {
  const both = copyServerCounters(a);
  addServerCounters(both, b);
  return both;
}
