// Least connections: the server with the fewest requests in flight per weight; among equals the
// smooth weighted round robin decides. Compared by cross-multiplication, so exact. In a large tier the
// servers with nothing unusual about them run in lanes (lane.ts), one for each weight and number of requests in
// flight: a lane is compared as one server is, and only those of which a request began or ended change lanes.
//
// | weight 1: a 0, b 1, c 0, d 0 in flight | lanes {a c d} of 0, {b} of 1 | the first takes a step of the round robin |
//
// Source: nginx src/http/modules/ngx_http_upstream_least_conn_module.c.

import type { Server } from '../../server.ts';
import type { Balanced, Balancer, BalancerOptions } from '../balancer.ts';
import { isOpen, mayTake, removeFrom } from '../open-servers.ts';
import { Lane, sortIntoLanes } from './lane.ts';
import { advance, isAhead, SCANNED_MAX } from './round-robin.ts';

const WEIGHTS = 2 ** 16;

export class LeastConn implements Balancer {
  readonly goesByList = false;
  /** Scanned one by one with each pick. */
  readonly #loose: Server[];
  /** By weight and number of requests in flight; empty ones are forgotten. */
  readonly #lanes = new Map<number, Lane>();
  #size: number;

  constructor({ servers }: Pick<BalancerOptions, 'servers'>) {
    this.#loose = servers.filter(isOpen);
    this.#size = this.#loose.length;
  }

  pick({ tried }: Balanced, nowMs: number): Server | undefined {
    if (this.#size > SCANNED_MAX || this.#lanes.size > 0)
      sortIntoLanes(this.#loose, tried, this.#laneFor);
    let least: Server | undefined;
    let equals = 0;
    const compare = (server: Server, count: number): void => {
      const order = least === undefined ? -1 : compareLoad(server, least, nowMs);
      if (order < 0) least = server;
      if (order <= 0) equals = order < 0 ? count : equals + count;
    };
    for (const server of this.#loose) if (mayTake(server, tried, nowMs)) compare(server, 1);
    for (const [key, { first, size }] of this.#lanes) {
      if (first === undefined) this.#lanes.delete(key);
      else compare(first, size);
    }
    return least === undefined || equals === 1 ? least : this.#breakTie(least, tried, nowMs);
  }

  add(server: Server): void {
    this.#loose.push(server);
    this.#size += 1;
  }

  remove(server: Server): void {
    server.lane?.drop(server);
    removeFrom(this.#loose, server);
    this.#size -= 1;
  }

  close(): void {
    for (const lane of this.#lanes.values()) lane.dropAll();
  }

  /** One step of the round robin among the servers with as little load as this one. */
  #breakTie(least: Server, tried: readonly Server[], nowMs: number): Server {
    let best: Server | undefined;
    let bestLane: Lane | undefined;
    let most = 0;
    let total = 0;
    for (const server of this.#loose) {
      if (!mayTake(server, tried, nowMs) || compareLoad(server, least, nowMs) !== 0) continue;
      total += advance(server, nowMs);
      if (best === undefined || isAhead(server, server.current, best, most)) {
        best = server;
        most = server.current;
      }
    }
    for (const lane of this.#lanes.values()) {
      const { first } = lane;
      if (first === undefined || compareLoad(first, least, nowMs) !== 0) continue;
      total += lane.advance();
      const current = lane.currentOf(first);
      if (best === undefined || isAhead(first, current, best, most)) {
        best = first;
        bestLane = lane;
        most = current;
      }
    }
    if (best === undefined) return least;
    if (bestLane === undefined) best.current -= total;
    else bestLane.pay(best, total);
    return best;
  }

  readonly #laneFor = ({ inFlight, state: { weight } }: Server): Lane => {
    const key = inFlight * WEIGHTS + weight;
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const lane = new Lane(weight, this.#loose, { isOfOneLoad: true });
    this.#lanes.set(key, lane);
    return lane;
  };
}

/** Below 0 when `a` has less in flight per weight than `b`. */
export function compareLoad(a: Server, b: Server, nowMs: number): number {
  return a.inFlight * b.state.weight * b.ramp(nowMs) - b.inFlight * a.state.weight * a.ramp(nowMs);
}
