// Two servers drawn at random by weight, then the one with fewer requests in flight per weight: as
// good as a look at all of them, at the cost of two. For many servers, and for many gateways that do
// not know each other's load.
//
// Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001); nginx
// `random two least_conn`, src/http/modules/ngx_http_upstream_random_module.c.

import type { Server } from '../server.ts';
import type { Balanced, Balancer, BalancerOptions } from './balancer.ts';
import { compareLoad } from './least-conn.ts';
import { mayTake } from './may-take.ts';
import { RoundRobin } from './round-robin.ts';
import { WeightedDraw } from './weighted-draw.ts';

/** Draws for one request; then, as in nginx, the round robin looks at all. */
const DRAWS_MAX = 20;

export class RandomTwo implements Balancer {
  readonly #draw: WeightedDraw;
  readonly #other: RoundRobin;

  constructor(options: BalancerOptions) {
    this.#draw = new WeightedDraw(options);
    this.#other = new RoundRobin(options);
  }

  pick(request: Balanced, nowMs: number): Server | undefined {
    let first: Server | undefined;
    for (let draws = 0; draws < DRAWS_MAX; draws += 1) {
      const server = this.#draw.next();
      if (server === undefined) break;
      if (server === first || !mayTake(server, request.tried, nowMs)) continue;
      if (first === undefined) first = server;
      else return compareLoad(server, first, nowMs) < 0 ? server : first;
    }
    return first ?? this.#other.pick(request, nowMs);
  }

  add(server: Server): void {
    this.#draw.add(server);
    this.#other.add(server);
  }

  remove(server: Server): void {
    this.#draw.remove(server);
    this.#other.remove(server);
  }

  close(): void {
    this.#other.close();
  }
}
