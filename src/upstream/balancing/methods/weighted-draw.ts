// One server at random, each with a chance in proportion to its weight, of those that the table lets
// take requests.

import type { Server } from '../../server.ts';
import type { Balanced, BalancerOptions } from '../balancer.ts';
import { addInPlace, isOpen, mayTake, removeFrom } from '../open-servers.ts';

/** The most draws for one request. After them the caller looks at all servers, as nginx does. */
const DRAWS_MAX = 20;

export class WeightedDraw {
  readonly #servers: Server[];
  readonly #random: () => number;
  /** For each server, the sum of the weights up to it. Undefined after a change. */
  #sums: Float64Array | undefined;

  constructor({ servers, random }: Pick<BalancerOptions, 'servers' | 'random'>) {
    this.#servers = servers.filter(isOpen);
    this.#random = random;
  }

  /** In the table's order. */
  get servers(): readonly Server[] {
    return this.#servers;
  }

  add(server: Server): void {
    addInPlace(this.#servers, server);
    this.#sums = undefined;
  }

  remove(server: Server): void {
    removeFrom(this.#servers, server);
    this.#sums = undefined;
  }

  /** The better of two that may take the request. When no second is drawn, the one, or undefined. */
  betterOfTwo(
    { tried }: Balanced,
    nowMs: number,
    isBetter: (a: Server, b: Server, nowMs: number) => boolean,
  ): Server | undefined {
    let first: Server | undefined;
    for (let draws = 0; draws < DRAWS_MAX; draws += 1) {
      const server = this.next();
      if (server === undefined) break;
      if (server === first || !mayTake(server, tried, nowMs)) continue;
      if (first === undefined) first = server;
      else return isBetter(server, first, nowMs) ? server : first;
    }
    return first;
  }

  next(): Server | undefined {
    this.#sums ??= sumsOf(this.#servers);
    const sums = this.#sums;
    const place = Math.floor(this.#random() * (sums[sums.length - 1] ?? 0));
    let low = 0;
    let high = sums.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] ?? 0) <= place) low = middle + 1;
      else high = middle;
    }
    return this.#servers[low];
  }
}

function sumsOf(servers: readonly Server[]): Float64Array {
  const sums = new Float64Array(servers.length);
  let sum = 0;
  for (const [index, { state }] of servers.entries()) {
    sum += state.weight;
    sums[index] = sum;
  }
  return sums;
}
