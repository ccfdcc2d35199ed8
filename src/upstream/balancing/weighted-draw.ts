// One server at random, each with a chance in proportion to its weight, of those that the table lets
// take requests.

import type { Server } from '../server.ts';
import type { BalancerOptions } from './balancer.ts';
import { isOpen } from './may-take.ts';

export class WeightedDraw {
  readonly #servers: Server[];
  readonly #random: () => number;
  /** The weights summed up to each server; undefined after a change. */
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
    const after = this.#servers.findIndex(({ position }) => position > server.position);
    this.#servers.splice(after < 0 ? this.#servers.length : after, 0, server);
    this.#sums = undefined;
  }

  remove(server: Server): void {
    this.#servers.splice(this.#servers.indexOf(server), 1);
    this.#sums = undefined;
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
