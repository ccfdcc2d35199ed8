// What the other gateways say of their traffic, as topics need it: read once per record, and only while it is new.

import type { GatewayDocument } from '../../admin.ts';
import type { SharedFigures } from '../../gateways.ts';
import { type PoolSeconds, readTraffic } from './traffic.ts';

/** A gateway says it once a second; later than this it is not heard, ms. */
const HEARD_MS = 4000;

export type OtherTraffic = {
  readonly id: string;
  readonly name: string;
  /** By upstream; undefined: it was not heard lately. */
  readonly pools: ReadonlyMap<string, PoolSeconds> | undefined;
};

export class TrafficOfOthers {
  readonly #figures: Pick<SharedFigures, 'others'> | undefined;
  readonly #read = new Map<
    string,
    { readonly text: string; readonly pools: ReadonlyMap<string, PoolSeconds> }
  >();

  constructor(figures: Pick<SharedFigures, 'others'> | undefined) {
    this.#figures = figures;
  }

  /** Of the live ones; `gateways` has this one first. */
  of(gateways: readonly GatewayDocument[], nowMs: number): readonly OtherTraffic[] {
    const others = gateways.slice(1).filter(({ state }) => state === 'live');
    for (const id of this.#read.keys()) {
      if (!others.some((other) => other.id === id)) this.#read.delete(id);
    }
    return others.map(({ id, name }) => {
      const said = this.#figures?.others.get(id);
      const isHeard = said !== undefined && nowMs - said.heardMs < HEARD_MS;
      return { id, name, pools: isHeard ? this.#pools(id, said.text) : undefined };
    });
  }

  #pools(id: string, text: string): ReadonlyMap<string, PoolSeconds> {
    const known = this.#read.get(id);
    if (known?.text === text) return known.pools;
    const pools = readTraffic(text);
    this.#read.set(id, { text, pools });
    return pools;
  }
}
