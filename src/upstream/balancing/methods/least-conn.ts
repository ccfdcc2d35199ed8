// Least connections: the server with the fewest requests in flight per weight; among equals the
// smooth weighted round robin decides. Compared by cross-multiplication, so exact.
//
// Source: nginx src/http/modules/ngx_http_upstream_least_conn_module.c.

import type { Server } from '../../server.ts';
import type { Balanced, Balancer, BalancerOptions } from '../balancer.ts';
import { addInPlace, isOpen, mayTake, removeFrom } from '../open-servers.ts';
import { advance } from './round-robin.ts';

export class LeastConn implements Balancer {
  readonly #servers: Server[];

  constructor({ servers }: BalancerOptions) {
    this.#servers = servers.filter(isOpen);
  }

  pick({ tried }: Balanced, nowMs: number): Server | undefined {
    let least: Server | undefined;
    let isTied = false;
    for (const server of this.#servers) {
      if (!mayTake(server, tried, nowMs)) continue;
      const order = least === undefined ? -1 : compareLoad(server, least, nowMs);
      if (order < 0) least = server;
      if (order <= 0) isTied = order === 0;
    }
    return least === undefined || !isTied ? least : breakTie(least, this.#servers, tried, nowMs);
  }

  /** In the order of the table, because the first wins ties. */
  add(server: Server): void {
    addInPlace(this.#servers, server);
  }

  remove(server: Server): void {
    removeFrom(this.#servers, server);
  }

  close(): void {
    // It keeps nothing on the servers.
  }
}

/** One step of the round robin among the servers with as little load as `least`, which is the first. */
function breakTie(
  least: Server,
  servers: readonly Server[],
  tried: readonly Server[],
  nowMs: number,
): Server {
  let best = least;
  let total = 0;
  for (const server of servers) {
    if (!mayTake(server, tried, nowMs) || compareLoad(server, least, nowMs) !== 0) continue;
    total += advance(server, nowMs);
    if (server.current > best.current) best = server;
  }
  best.current -= total;
  return best;
}

/** Below 0 when `a` has less in flight per weight than `b`. */
export function compareLoad(a: Server, b: Server, nowMs: number): number {
  return a.inFlight * b.state.weight * b.ramp(nowMs) - b.inFlight * a.state.weight * a.ramp(nowMs);
}
