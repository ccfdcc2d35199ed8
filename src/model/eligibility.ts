// The one judge of a server: may it take the next request, and if not, why. The first reason in this
// order is the answer, from the most deliberate to the most fleeting: maint, drain, unresolved, down,
// unchecked, ejected, full. A worker asks it about its live servers; the primary, for the guard, the
// status page and the log, about a member of the table and what the workers reported of it.

import type { ServerState } from './server.ts';

/** The CLI, the metrics and the log use the same words. */
export type Eligibility =
  | 'ok'
  | 'panic'
  | 'maint'
  | 'drain'
  | 'unresolved'
  | 'down'
  | 'unchecked'
  | 'ejected'
  | 'full';

/** What the table alone says of a server. */
export type Standing = Exclude<Eligibility, 'ejected' | 'full'>;

/** Does a server count when one asks whether there are enough? In the order of the reasons. */
const CAPACITY: Readonly<Record<Eligibility, boolean>> = {
  ok: true,
  // Nobody can count on it.
  panic: false,
  maint: false,
  drain: false,
  unresolved: false,
  down: false,
  unchecked: false,
  ejected: false,
  // It serves, and only takes no more at this moment.
  full: true,
};

/** All words: those that take requests first, then the reasons in their order. */
export const ELIGIBILITIES = Object.keys(CAPACITY) as readonly Eligibility[];

/** What is judged. The two methods tell what requests found out. */
export interface Judged {
  readonly state: ServerState;
  /** It left the table. */
  readonly gone: boolean;
  isEjected(nowMs: number): boolean;
  isFull(): boolean;
}

export function eligibility(server: Judged, nowMs: number): Eligibility {
  // A server that left the table behaves as a drained one: it finishes what is in flight.
  const standing = server.gone ? 'drain' : standingOf(server.state);
  if (!isOpenStanding(standing)) return standing;
  const load = loadOf(server, nowMs);
  return load === 'ok' ? standing : load;
}

/** The part of eligibility that only a table update changes. */
export function standingOf(state: ServerState): Standing {
  if (state.admin !== 'ready') return state.admin;
  if (state.addresses.length === 0) return 'unresolved';
  if (state.checks === 'down') return state.isPanic === true ? 'panic' : 'down';
  if (state.checks === 'unknown' && state.mustPass) return 'unchecked';
  return 'ok';
}

/** The part of eligibility that requests change, for a server that the table lets take them. */
export function loadOf(server: Judged, nowMs: number): 'ok' | 'ejected' | 'full' {
  if (server.isEjected(nowMs)) return 'ejected';
  return server.isFull() ? 'full' : 'ok';
}

/** True when it may take requests: it is well, or it fails its checks and so do too many others. */
export function isOpenStanding(word: Eligibility): boolean {
  return word === 'ok' || word === 'panic';
}

export function isCapacity(eligibility: Eligibility): boolean {
  return CAPACITY[eligibility];
}

/** True when it is out by intent or by a verdict. The others take requests, or wait as newcomers do. */
export function isTakenOut(standing: Standing): boolean {
  return TAKEN_OUT[standing];
}

const TAKEN_OUT: Readonly<Record<Standing, boolean>> = {
  ok: false,
  panic: false,
  maint: true,
  drain: true,
  unresolved: false,
  down: true,
  unchecked: false,
};
