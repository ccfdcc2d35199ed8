// The end of a session, whatever ends it: its keys are released or deleted, and with a lock-delay
// nobody can lock them for a while, so that a holder who does not know yet finishes what it does.
// All of it is one write with one index.

import { TOPIC, type WriteGroup } from '../../embedded.ts';
import { LOCK_DELAY_MAX_MS } from './locks.ts';
import { LOCK_DELAYS, SESSIONS, type Session, sessionTopic } from './session.ts';

/** False when there is no such session. */
export function endSession(writes: WriteGroup, id: string, wallMs: number): boolean {
  const session = SESSIONS.find(writes.table, id);
  if (session === undefined) return false;
  const { behavior, lockDelayMs } = session.value;
  const delayMs = Math.min(LOCK_DELAY_MAX_MS, lockDelayMs);
  dropOldDelays(writes, wallMs);
  for (const { key, content, flags, lockIndex } of writes.table.heldBy(id)) {
    if (behavior === 'delete') writes.remove(key);
    else writes.put(key, content, flags, { session: '', lockIndex });
    if (delayMs > 0) LOCK_DELAYS.put(writes, key, { untilMs: wallMs + delayMs });
  }
  writes.forgetHeld(id);
  SESSIONS.remove(writes, id);
  writes.unset(TOPIC, sessionTopic(id));
  return true;
}

/** Ends the sessions that depend on what `isLost` says: a node that is gone, a check that is critical. */
export function endSessions(
  writes: WriteGroup,
  isLost: (session: Session) => boolean,
  wallMs: number,
): void {
  for (const { id, value } of SESSIONS.list(writes.table)) {
    if (isLost(value)) endSession(writes, id, wallMs);
  }
}

/** Delays that are over: they are looked through whenever a session ends, which is what makes them. */
function dropOldDelays(writes: WriteGroup, wallMs: number): void {
  for (const { id, value } of LOCK_DELAYS.list(writes.table)) {
    const leftMs = value.untilMs - wallMs;
    if (leftMs <= 0 || leftMs > LOCK_DELAY_MAX_MS) LOCK_DELAYS.remove(writes, id);
  }
}
