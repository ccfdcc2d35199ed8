// A lane speeds the smooth weighted round robin up for thousands of servers without changing one
// pick. Servers that gain the same with each pick keep their order among each other, so that a gain
// for all of them is one addition to the lane (`lift`), and the best of them is the first of a heap.
// A server in a lane has its `current` relative to the lift:
//
// |            | lift | a's current | b's current |  true values |
// | before     |    3 |           2 |          -1 |  a 5, b 2    |
// | gain of 1  |    4 |           2 |          -1 |  a 6, b 3    |

import { Heap } from '../../../base/heap.ts';
import type { Server } from '../../server.ts';

export class Lane {
  /** What each of its servers gains with a pick, which is their weight. */
  readonly gain: number;
  /** True when its servers leave it with each request that begins or ends on them. */
  readonly isOfOneLoad: boolean;
  readonly #heap = new Heap<Server>(isBefore);
  /** Servers that leave the lane go here, to be scanned one by one. */
  readonly #loose: Server[];
  #lift = 0;

  constructor(gain: number, loose: Server[], { isOfOneLoad = false } = {}) {
    this.gain = gain;
    this.#loose = loose;
    this.isOfOneLoad = isOfOneLoad;
  }

  get size(): number {
    return this.#heap.size;
  }

  /** The server with the most. */
  get first(): Server | undefined {
    return this.#heap.first;
  }

  /** The true current weight of one of its servers. */
  currentOf(server: Server): number {
    return server.current + this.#lift;
  }

  /** All servers gain; the answer is their sum. */
  advance(): number {
    this.#lift += this.gain;
    return this.gain * this.#heap.size;
  }

  /** The picked server pays. */
  pay(server: Server, total: number): void {
    server.current -= total;
    this.#heap.moved(server);
  }

  add(server: Server): void {
    server.current -= this.#lift;
    server.lane = this;
    this.#heap.add(server);
  }

  drop(server: Server): void {
    this.#heap.remove(server);
    server.lane = undefined;
    server.current += this.#lift;
    this.#loose.push(server);
  }

  dropAll(): void {
    for (let first = this.first; first !== undefined; first = this.first) this.drop(first);
  }
}

/** More weight first; among equals the first of the table. */
function isBefore(a: Server, b: Server): boolean {
  return a.current > b.current || (a.current === b.current && a.position < b.position);
}

/** Takes the servers that an exchange has tried out of their lanes, and puts steady ones of `loose` into theirs. */
export function sortIntoLanes(
  loose: Server[],
  tried: readonly Server[],
  laneFor: (server: Server) => Lane,
): void {
  for (const server of tried) server.lane?.drop(server);
  let kept = 0;
  for (const server of loose) {
    if (server.isSteady() && !tried.includes(server)) laneFor(server).add(server);
    else {
      loose[kept] = server;
      kept += 1;
    }
  }
  loose.length = kept;
}
