// What a release that runs can be told, and what its records say of where it stands.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandRequest, LOCK, type LockDocument } from '../admin/contract.ts';
import { commandFor } from './command.ts';
import { standing } from './standing.ts';

const WAITS = { before: 'rest', sinceMs: 1000, untilMs: 2000 };
const HELD: LockDocument = {
  ...{ number: 2, fence: 7, beat: 1, orphan: '', asked: null },
  holder: {
    ...{ release: 'r2', upstream: 'app', version: 'v2', user: 'ann', runner: 'pid 1 on a' },
    ...{ ticket: '', sinceMs: 0, step: '', waits: undefined },
  },
};
const WAITING = { ...HELD, holder: HELD.holder && { ...HELD.holder, waits: WAITS } };
const ASKED: Omit<CommandRequest, 'command'> = { owner: 'user:bob', why: '' };

test('an approval names what is waited for; where nothing is, it is refused', () => {
  const approve = { ...ASKED, command: 'approve' } as const;
  const asked = commandFor('app', WAITING, approve);
  assert.deepEqual(asked, {
    ...{ seq: 7001, command: 'approve', by: 'user:bob', why: '', before: 'rest' },
  });
  const conflict = { code: 'conflict' };
  assert.throws(() => commandFor('app', HELD, approve), conflict);
  assert.throws(() => commandFor('app', WAITING, { ...approve, release: 'r1' }), conflict);
  assert.throws(() => commandFor('app', { ...HELD, holder: null }, approve), { code: 'not_found' });
});

test('an approval that may not have been heard is not lost to a pause, but to an abort', () => {
  const asked = commandFor('app', WAITING, { ...ASKED, command: 'approve' });
  const approved = { ...WAITING, asked };
  for (const command of ['approve', 'pause', 'resume'] as const) {
    const tell = () => commandFor('app', approved, { ...ASKED, command });
    assert.throws(tell, { code: 'conflict', message: /user:bob has just approved it/ });
  }
  assert.equal(commandFor('app', approved, { ...ASKED, command: 'abort' }).seq, 7002);
  // That was for another point, before.
  const later = { ...approved, asked: { ...asked, before: 'first' } };
  assert.equal(commandFor('app', later, { ...ASKED, command: 'approve' }).before, 'rest');
});

test('the lock says where its release stands', () => {
  const at = (lock: LockDocument, kind: string, step: string, instance = '') => {
    const data = step === 'approval' ? { before: 'rest', until: new Date(2000).toISOString() } : {};
    const ts = new Date(1000).toISOString();
    return standing(lock, [{ seq: 0, ts, kind, instance, step, fence: 7, data }]);
  };
  const drained = at(HELD, 'intent', 'drain', 'a:1');
  assert.equal(drained.holder?.step, 'drain of a:1');
  const waiting = at(drained, 'intent', 'approval');
  assert.deepEqual([waiting.holder?.step, waiting.holder?.waits], ['approval', WAITS]);
  assert.deepEqual(at(waiting, 'note', '').holder?.waits, WAITS);
  for (const kind of ['done', 'failed'] as const) {
    assert.equal(at(waiting, kind, 'approval').holder?.waits, undefined);
  }
  assert.equal(at(waiting, 'intent', 'guard', 'b:1').holder?.waits, undefined);
});

test('a lock that an older gateway has written is read', () => {
  const { waits: _, ...holder } = HELD.holder ?? { waits: undefined };
  const asked = { seq: 1, command: 'pause', by: 'user:bob', why: '' };
  assert(LOCK.fits({ ...HELD, holder, asked }));
});
