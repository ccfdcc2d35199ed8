// All upstreams of one worker. The control plane's table comes in here. An update is applied as a whole in
// one turn, so that no request sees half of it.

import { ROUND_ROBIN, type TableUpdate, type UpstreamFigures } from '../model.ts';
import type { Server } from './server.ts';
import { Upstream } from './upstream.ts';

/** Removed upstreams that are kept. A reload removes few; this bounds what many of them leave. */
const REMOVED_MAX = 200;

export class UpstreamSet {
  readonly #onIdle: (upstream: string, server: Server) => void;
  readonly #upstreams = new Map<string, Upstream>();
  /**
   * Removed upstreams. Their servers may have requests in flight, and one that comes back goes on
   * counting where it was. Without servers they cost little. The oldest are forgotten.
   */
  readonly #removed = new Map<string, Upstream>();
  #generation = 0;

  /**
   * `onIdle` is called when the last request ends on a server that takes no new ones (not ready, or
   * gone). It is not called for one that is idle already when the table takes it out.
   */
  constructor(options: { readonly onIdle?: (upstream: string, server: Server) => void } = {}) {
    this.#onIdle = options.onIdle ?? (() => {});
  }

  /** The generation of the last update; 0 before the first. */
  get generation(): number {
    return this.#generation;
  }

  get(name: string): Upstream | undefined {
    return this.#upstreams.get(name);
  }

  /** Servers that take no new requests and finish what they have. */
  *stopping(): Generator<Server> {
    for (const upstreams of [this.#upstreams, this.#removed]) {
      for (const upstream of upstreams.values()) yield* upstream.stopping();
    }
  }

  all(): readonly Upstream[] {
    return [...this.#upstreams.values()];
  }

  /** Upstreams that are gone from the table and still known. */
  removed(): readonly Upstream[] {
    return [...this.#removed.values()];
  }

  /** Returns the servers that have another state, or may have, also those that left. */
  apply(update: TableUpdate, nowMs: number): readonly Server[] {
    const updated: Server[] = [];
    for (const name of update.removed) {
      for (const server of this.#remove(name, nowMs)) updated.push(server);
    }
    for (const state of update.upstreams) {
      const upstream =
        this.#upstreams.get(state.name) ??
        this.#removed.get(state.name) ??
        this.#create(state.name);
      this.#removed.delete(state.name);
      this.#upstreams.set(state.name, upstream);
      for (const server of upstream.apply(state, nowMs)) updated.push(server);
    }
    for (const change of update.changed ?? []) {
      for (const server of this.#upstreams.get(change.name)?.change(change, nowMs) ?? []) {
        updated.push(server);
      }
    }
    this.#generation = update.generation;
    return updated;
  }

  figures(nowMs: number): UpstreamFigures[] {
    return this.all().map((upstream) => upstream.figures(nowMs));
  }

  #create(name: string): Upstream {
    return new Upstream(name, (server) => this.#onIdle(name, server));
  }

  #remove(name: string, nowMs: number): readonly Server[] {
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) return [];
    this.#upstreams.delete(name);
    const left = upstream.apply(
      { name, balancing: ROUND_ROBIN, slowStartMs: 0, servers: [] },
      nowMs,
    );
    this.#removed.set(name, upstream);
    for (const [oldest, { isLeaving }] of this.#removed) {
      if (this.#removed.size <= REMOVED_MAX) break;
      if (!isLeaving) this.#removed.delete(oldest);
    }
    return left;
  }
}
