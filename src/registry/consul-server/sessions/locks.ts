// Locks on records, as sessions take and free them: PUT ?acquire, ?release and the verbs lock and
// unlock of a transaction. Both happen inside a group of writes, so that whoever asked second sees
// what the first one wrote.

import type { Entry, WriteGroup } from '../../embedded.ts';
import { idProblem, LOCK_DELAYS, SESSIONS } from './session.ts';

/** A longer delay counts as this one. */
export const LOCK_DELAY_MAX_MS = 60_000;

export type LockRequest = {
  readonly key: string;
  readonly value: Uint8Array;
  readonly flags: string;
  readonly session: string;
};

export type LockEnd =
  | { readonly kind: 'locked'; readonly record: Entry }
  /** Another session has it, or the delay after the end of one is not over. */
  | { readonly kind: 'held' | 'delayed' }
  /** The request makes no sense; Consul's words. */
  | { readonly kind: 'refused'; readonly why: string };

/** In the order in which Consul looks: a key whose delay is not over is refused to any session. */
export function lockRecord(writes: WriteGroup, request: LockRequest, wallMs: number): LockEnd {
  const { key, value, flags, session } = request;
  if (isDelayed(writes, key, wallMs)) return { kind: 'delayed' };
  if (session === '') return { kind: 'refused', why: 'missing session' };
  const problem = idProblem(session);
  if (problem !== '') return { kind: 'refused', why: problem };
  if (SESSIONS.find(writes.table, session) === undefined) {
    return { kind: 'refused', why: `invalid session ${JSON.stringify(session)}` };
  }
  const before = writes.read(key);
  const held = before?.session ?? '';
  if (held !== '' && held !== session) return { kind: 'held' };
  const lockIndex = (before?.lockIndex ?? 0) + (held === session ? 0 : 1);
  return { kind: 'locked', record: writes.put(key, value, flags, { session, lockIndex }) };
}

/** Writes the record and frees its lock. Undefined: the session does not have it. */
export function unlockRecord(writes: WriteGroup, request: LockRequest): Entry | undefined {
  const { key, value, flags, session } = request;
  const before = writes.read(key);
  if (before === undefined || session === '' || before.session !== session) return undefined;
  return writes.put(key, value, flags, { session: '', lockIndex: before.lockIndex });
}

function isDelayed(writes: WriteGroup, key: string, wallMs: number): boolean {
  const delay = LOCK_DELAYS.find(writes.table, key);
  if (delay === undefined) return false;
  // A clock that was set back must not lock a key for ever.
  const leftMs = delay.value.untilMs - wallMs;
  return leftMs > 0 && leftMs <= LOCK_DELAY_MAX_MS;
}
