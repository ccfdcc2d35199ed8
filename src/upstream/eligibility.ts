// The one reader of a server's four facts (admin, checks, fails, in flight): may it take the next
// request, and if not, why. The first reason in this order is the answer, from the most deliberate
// to the most fleeting: maint, drain, unresolved, down, unchecked, ejected, full.

import type { Server } from './server.ts';
import type { Eligibility, ServerState } from './table.ts';

export function eligibility(server: Server, nowMs: number): Eligibility {
  // A server that left the table behaves as a drained one: it finishes what is in flight.
  const standing = server.gone ? 'drain' : standingOf(server.state);
  if (standing !== 'ok') return standing;
  if (server.isEjected(nowMs)) return 'ejected';
  if (server.isFull()) return 'full';
  return 'ok';
}

/** The part of eligibility that only a table update changes. */
export function standingOf(state: ServerState): Exclude<Eligibility, 'ejected' | 'full'> {
  if (state.admin !== 'ready') return state.admin;
  if (state.addresses.length === 0) return 'unresolved';
  if (state.checks === 'down') return 'down';
  if (state.checks === 'unknown' && state.mustPass) return 'unchecked';
  return 'ok';
}
