// What a balancer asks about a server: is it open for requests at all, and may it take this one. And the
// list that a balancer keeps of those that are open.

import { eligibility, isOpenStanding, type ServerState, standingOf } from '../../model.ts';
import type { Server } from '../server.ts';

/** As far as the table says; the answer holds until the next table. */
export function isOpen(server: Server): boolean {
  return isOpenState(server.state);
}

export function isOpenState(state: ServerState): boolean {
  return isOpenStanding(standingOf(state));
}

/** Eligible, and not tried by this request before. */
export function mayTake(server: Server, tried: readonly Server[], nowMs: number): boolean {
  return (
    isOpenStanding(eligibility(server, nowMs)) && (tried.length === 0 || !tried.includes(server))
  );
}

/** Puts the server where it stands in the order of the table. */
export function addInPlace(servers: Server[], server: Server): void {
  servers.splice(placeOf(servers, server), 0, server);
}

export function removeInPlace(servers: Server[], server: Server): void {
  servers.splice(placeOf(servers, server), 1);
}

/** Of a list in the order of the table: where the server is, or belongs. */
export function placeOf(servers: readonly Server[], { position }: Server): number {
  let low = 0;
  let high = servers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((servers[middle]?.position ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Of a list in any order. */
export function removeFrom(servers: Server[], server: Server): void {
  servers.splice(servers.indexOf(server), 1);
}
