// One server at random, each with a chance in proportion to its weight, of those that the table lets
// take requests.

import type { Server } from '../../server.ts';
import type { Balanced, BalancerOptions } from '../balancer.ts';
import { addInPlace, isOpen, mayTake, placeOf, removeInPlace } from '../open-servers.ts';
import { WeightTree } from '../weight-tree.ts';

/** The most draws for one request. After them the caller looks at all servers, as nginx does. */
const DRAWS_MAX = 20;

export class WeightedDraw {
  readonly #servers: Server[];
  readonly #random: () => number;
  /** All servers of the tier, in the table's order. */
  readonly #all: readonly Server[];
  /** Of these; 0 of one that the table does not let take requests. */
  readonly #weights: WeightTree;

  constructor({ servers, random }: Pick<BalancerOptions, 'servers' | 'random'>) {
    this.#servers = servers.filter(isOpen);
    this.#random = random;
    this.#all = servers;
    this.#weights = new WeightTree(
      servers.map((server) => (isOpen(server) ? server.state.weight : 0)),
    );
  }

  /** In the table's order. */
  get servers(): readonly Server[] {
    return this.#servers;
  }

  add(server: Server): void {
    addInPlace(this.#servers, server);
    this.#weights.set(placeOf(this.#all, server), server.state.weight);
  }

  remove(server: Server): void {
    removeInPlace(this.#servers, server);
    this.#weights.set(placeOf(this.#all, server), 0);
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
    const place = Math.floor(this.#random() * this.#weights.total);
    return this.#all[this.#weights.find(place)];
  }
}
