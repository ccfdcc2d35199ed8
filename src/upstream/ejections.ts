// The servers of an upstream that requests have found failing, from the one that failed or was tried the longest ago
// to the latest. Two things keep a storm of failures from taking the last servers out:
//
//   max_ejected    so large a part of the servers is out at most: when one more fails, the first of them returns
//   last resort    before a request is refused, the ejected ones are tried all the same, the first of them first
//
// The second needs no look at all servers: `areAll` says that the balancers have nobody to offer.

import type { Server } from './server.ts';

export class Ejections {
  /** In the order of their last failure or trial. Some may be due to be probed. */
  readonly #servers = new Set<Server>();
  /** How many may be out; and of how many. */
  #most = Number.POSITIVE_INFINITY;
  #open = 0;
  /** None of them may be probed before; it may be earlier than it needs to be. */
  #returnMs = Number.POSITIVE_INFINITY;

  /** The table lets so many servers take requests. `share`: the part of them that may be ejected. */
  bound(open: number, share: number): void {
    this.#open = open;
    this.#most = Math.max(1, Math.floor(open * share));
  }

  /** It has failed max_fails times, or is probed or tried while it is out. */
  struck(server: Server, nowMs: number): void {
    this.#servers.delete(server);
    this.#servers.add(server);
    this.#returnMs = Math.min(this.#returnMs, nowMs + server.ejectedForMs(nowMs));
    if (this.#servers.size > this.#most) this.#pardonFirst(nowMs);
  }

  /** There is a new table, and it has failed max_fails times before. It keeps its place. */
  stays(server: Server, nowMs: number): void {
    this.#servers.add(server);
    this.#returnMs = Math.min(this.#returnMs, nowMs + server.ejectedForMs(nowMs));
  }

  /** It has answered, or takes no requests for another reason. */
  cleared(server: Server): void {
    this.#servers.delete(server);
  }

  /** True when all servers that the table lets take requests are ejected now. */
  areAll(nowMs: number): boolean {
    // The only server is never ejected.
    if (this.#open < 2 || this.#servers.size < this.#open) return false;
    if (nowMs <= this.#returnMs) return true;
    this.#returnMs = Number.POSITIVE_INFINITY;
    for (const server of this.#servers) {
      this.#returnMs = Math.min(this.#returnMs, nowMs + server.ejectedForMs(nowMs));
    }
    return nowMs <= this.#returnMs;
  }

  /** The one to try when nobody else is left. */
  next(tried: readonly Server[]): Server | undefined {
    for (const server of this.#servers) {
      if (!server.isFull() && !tried.includes(server)) return server;
    }
    return undefined;
  }

  #pardonFirst(nowMs: number): void {
    let first: Server | undefined;
    let ejected = 0;
    for (const server of this.#servers) {
      if (!server.isEjected(nowMs)) continue;
      first ??= server;
      ejected += 1;
    }
    if (ejected > this.#most) first?.pardon();
  }
}
