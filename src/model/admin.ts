// Operator intent: who took a server out, and how far.

/** ready: normal; drain: no new requests; maint: no requests, no checks. */
export type AdminState = 'ready' | 'drain' | 'maint';

/**
 * Who took a server out (see owner.ts), why, and since when (wall clock, ms). When it is ready, owner and
 * reason are ''.
 */
export type Admin = {
  readonly state: AdminState;
  readonly owner: string;
  readonly reason: string;
  readonly sinceMs: number;
};

/** Nobody took the server out. */
export const READY: Admin = { state: 'ready', owner: '', reason: '', sinceMs: 0 };

const RANK: Readonly<Record<AdminState, number>> = { ready: 0, drain: 1, maint: 2 };

/** The stricter of two words about a server; the first where they are equally strict. */
export function stricterAdmin(first: Admin, second: Admin): Admin {
  return RANK[second.state] > RANK[first.state] ? second : first;
}
