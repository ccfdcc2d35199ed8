// Two servers drawn at random by weight, then the one with fewer requests in flight per weight: as
// good as a look at all of them, at the cost of two. For many servers, and for many gateways that do
// not know each other's load.
//
// Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001); nginx
// `random two least_conn`, src/http/modules/ngx_http_upstream_random_module.c.

import type { Server } from '../../server.ts';
import type { Balanced, Balancer, BalancerOptions } from '../balancer.ts';
import { compareLoad } from './least-conn.ts';
import { RoundRobin } from './round-robin.ts';
import { WeightedDraw } from './weighted-draw.ts';

export class RandomTwo implements Balancer {
  readonly goesByList = true;
  readonly #draw: WeightedDraw;
  readonly #other: RoundRobin;

  constructor(options: BalancerOptions) {
    this.#draw = new WeightedDraw(options);
    this.#other = new RoundRobin(options);
  }

  pick(request: Balanced, nowMs: number): Server | undefined {
    return this.#draw.betterOfTwo(request, nowMs, isLess) ?? this.#other.pick(request, nowMs);
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

function isLess(a: Server, b: Server, nowMs: number): boolean {
  return compareLoad(a, b, nowMs) < 0;
}
