// All upstreams of one worker, and the door through which the control plane's table comes in. An
// update is applied whole, synchronously: no request sees half of it.

import { ROUND_ROBIN, type TableUpdate, type UpstreamSnapshot } from '../model.ts';
import type { Server } from './server.ts';
import { Upstream } from './upstream.ts';

export class UpstreamSet {
  readonly #onIdle: (upstream: string, server: Server) => void;
  readonly #upstreams = new Map<string, Upstream>();
  /** Removed ones whose servers still have requests in flight; one that comes back is taken again. */
  readonly #leaving = new Map<string, Upstream>();
  #generation = 0;

  /**
   * `onIdle`: the last request in flight on a server ended that takes no new ones (not ready, or
   * gone). It is not called for one that is idle already when the table takes it out.
   */
  constructor(options: { readonly onIdle?: (upstream: string, server: Server) => void } = {}) {
    this.#onIdle = options.onIdle ?? (() => {});
  }

  /** Of the last update; 0 before the first. */
  get generation(): number {
    return this.#generation;
  }

  get(name: string): Upstream | undefined {
    return this.#upstreams.get(name);
  }

  /** Servers that take no new requests and finish what they have. */
  *stopping(): Generator<Server> {
    for (const upstreams of [this.#upstreams, this.#leaving]) {
      for (const upstream of upstreams.values()) yield* upstream.stopping();
    }
  }

  all(): readonly Upstream[] {
    return [...this.#upstreams.values()];
  }

  apply(update: TableUpdate, nowMs: number): void {
    for (const name of update.removed) this.#remove(name, nowMs);
    for (const state of update.upstreams) {
      const upstream =
        this.#upstreams.get(state.name) ??
        this.#leaving.get(state.name) ??
        this.#create(state.name);
      this.#leaving.delete(state.name);
      this.#upstreams.set(state.name, upstream);
      upstream.apply(state, nowMs);
    }
    for (const { name, servers } of update.changed ?? []) {
      this.#upstreams.get(name)?.change(servers, nowMs);
    }
    this.#generation = update.generation;
  }

  snapshot(nowMs: number): UpstreamSnapshot[] {
    return this.all().map((upstream) => upstream.snapshot(nowMs));
  }

  #create(name: string): Upstream {
    return new Upstream(name, (server) => {
      if (this.#leaving.get(name)?.isLeaving === false) this.#leaving.delete(name);
      this.#onIdle(name, server);
    });
  }

  #remove(name: string, nowMs: number): void {
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) return;
    this.#upstreams.delete(name);
    upstream.apply({ name, balancing: ROUND_ROBIN, slowStartMs: 0, servers: [] }, nowMs);
    if (upstream.isLeaving) this.#leaving.set(name, upstream);
  }
}
