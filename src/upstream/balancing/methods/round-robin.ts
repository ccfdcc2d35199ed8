// Smooth weighted round robin, the same sequence as nginx's. Each eligible server gains its
// effective weight, the one with the most is picked (the first of the table wins ties) and pays the
// sum back. Failures lower the effective weight (Server.settle); every pick raises it by 1 up to the
// weight. In a large tier the servers with nothing unusual about them run in lanes (lane.ts), and
// only the others are scanned.
//
// Weights 5, 1, 1: | pick          | a       | a       | b       | a       | c       | a       | a |
//                  | current after | -2 1 1  | -4 2 2  | 1 -4 3  | -1 -3 4 | 4 -2 -2 | 2 -1 -1 | 0 0 0
//
// Source: nginx src/http/ngx_http_upstream_round_robin.c, ngx_http_upstream_get_peer.

import { loadOf } from '../../../model.ts';
import type { Server } from '../../server.ts';
import type { Balanced, Balancer, BalancerOptions } from '../balancer.ts';
import { isOpen, removeFrom } from '../open-servers.ts';
import { Lane, sortIntoLanes } from './lane.ts';

/** Up to this many servers a plain scan is as fast as lanes, or faster. */
export const SCANNED_MAX = 16;

export class RoundRobin implements Balancer {
  readonly goesByList = false;
  /** Scanned one by one with each pick. */
  readonly #loose: Server[];
  /** One lane for each weight, none in a small tier. Then the same lanes by weight. */
  readonly #lanes: Lane[] = [];
  readonly #laneOf = new Map<number, Lane>();
  #size: number;

  constructor({ servers }: Pick<BalancerOptions, 'servers'>) {
    this.#loose = servers.filter(isOpen);
    this.#size = this.#loose.length;
  }

  pick({ tried }: Balanced, nowMs: number): Server | undefined {
    if (this.#size > SCANNED_MAX || this.#lanes.length > 0)
      sortIntoLanes(this.#loose, tried, this.#laneFor);
    let best: Server | undefined;
    let bestLane: Lane | undefined;
    let most = 0;
    let total = 0;
    for (const server of this.#loose) {
      if (loadOf(server, nowMs) !== 'ok' || tried.includes(server)) continue;
      total += advance(server, nowMs);
      if (best === undefined || isAhead(server, server.current, best, most)) {
        best = server;
        most = server.current;
      }
    }
    for (const lane of this.#lanes) {
      total += lane.advance();
      const { first } = lane;
      if (first === undefined) continue;
      const current = lane.currentOf(first);
      if (best === undefined || isAhead(first, current, best, most)) {
        best = first;
        bestLane = lane;
        most = current;
      }
    }
    if (bestLane !== undefined && best !== undefined) bestLane.pay(best, total);
    else if (best !== undefined) best.current -= total;
    return best;
  }

  /** The server may take requests from now on. Its place in the table decides between equals. */
  add(server: Server): void {
    this.#loose.push(server);
    this.#size += 1;
  }

  /** The server takes no more requests, and its `current` is its true one again. */
  remove(server: Server): void {
    server.lane?.drop(server);
    removeFrom(this.#loose, server);
    this.#size -= 1;
  }

  close(): void {
    for (const lane of this.#lanes) lane.dropAll();
  }

  readonly #laneFor = (server: Server): Lane => {
    const { weight } = server.state;
    let lane = this.#laneOf.get(weight);
    if (lane === undefined) {
      lane = new Lane(weight, this.#loose);
      this.#laneOf.set(weight, lane);
      this.#lanes.push(lane);
    }
    return lane;
  };
}

/** One step of the smooth weighted round robin for one server: what it gained. */
export function advance(server: Server, nowMs: number): number {
  const gain = server.effective * server.ramp(nowMs);
  server.current += gain;
  if (server.effective < server.state.weight) server.effective += 1;
  return gain;
}

/** Among equals the first of the table. */
export function isAhead(server: Server, current: number, best: Server, most: number): boolean {
  return current > most || (current === most && server.position < best.position);
}
