// Sessions: whoever holds a lock has one, and loses its locks with it.

export { type LockRequest, lockRecord, unlockRecord } from './sessions/locks.ts';
export { checksOf as checksOfSession, hasSession, idProblem } from './sessions/session.ts';
export { sessionFamily } from './sessions/session-api.ts';
export { endSessions } from './sessions/session-writes.ts';
