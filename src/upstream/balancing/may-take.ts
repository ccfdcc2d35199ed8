// What a balancer asks about a server: is it open for requests at all, and may it take this one.

import { eligibility, standingOf } from '../../model.ts';
import type { Server } from '../server.ts';

/** As far as the table goes; it holds until the next table. */
export function isOpen(server: Server): boolean {
  return standingOf(server.state) === 'ok';
}

/** Eligible, and not tried by this request before. */
export function mayTake(server: Server, tried: readonly Server[], nowMs: number): boolean {
  return eligibility(server, nowMs) === 'ok' && (tried.length === 0 || !tried.includes(server));
}
