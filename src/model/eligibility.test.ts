// Every fact that keeps a server out, alone and before others: the order is part of the answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverState } from '../../test/support/upstream/builders.ts';
import {
  ELIGIBILITIES,
  type Eligibility,
  eligibility,
  isCapacity,
  isTakenOut,
  type Judged,
  loadOf,
  type ServerState,
  standingOf,
} from '../model.ts';

type Facts = Partial<ServerState> & { gone?: boolean; ejected?: boolean; full?: boolean };

function judged({ gone = false, ejected = false, full = false, ...state }: Facts): Judged {
  return {
    state: serverState(state),
    gone,
    isEjected: () => ejected,
    isFull: () => full,
  };
}

/** From the most deliberate reason to the most fleeting. */
const FACTS: readonly (readonly [Eligibility, Facts])[] = [
  ['maint', { admin: 'maint' }],
  ['drain', { admin: 'drain' }],
  ['unresolved', { addresses: [] }],
  ['down', { checks: 'down' }],
  ['unchecked', { checks: 'unknown', mustPass: true }],
  ['ejected', { ejected: true }],
  ['full', { full: true }],
];

test('each fact alone keeps a server out and gives its reason', () => {
  for (const [reason, facts] of FACTS) assert.equal(eligibility(judged(facts), 0), reason);
  assert.equal(eligibility(judged({ gone: true }), 0), 'drain');
  assert.equal(eligibility(judged({}), 0), 'ok');
});

test('of two facts the more deliberate one is the answer', () => {
  for (const [at, [reason, facts]] of FACTS.entries()) {
    for (const [, later] of FACTS.slice(at + 1)) {
      // Two words about one fact exclude each other.
      if ('admin' in later || ('checks' in facts && 'checks' in later)) continue;
      assert.equal(eligibility(judged({ ...later, ...facts }), 0), reason);
    }
  }
  const leaving = judged({ admin: 'maint', checks: 'down', ejected: true, gone: true });
  assert.equal(eligibility(leaving, 0), 'drain', 'what left the table only finishes');
});

test('a newcomer is let in by its first pass, or at once where it need not pass', () => {
  const of = (checks: ServerState['checks'], mustPass: boolean): Eligibility =>
    eligibility(judged({ checks, mustPass }), 0);
  assert.deepEqual(
    [of('unknown', true), of('up', true), of('unknown', false), of('down', false)],
    ['unchecked', 'ok', 'ok', 'down'],
  );
});

test('the table alone says nothing of ejections and limits, and requests alone nothing of the table', () => {
  assert.equal(standingOf(serverState({ checks: 'down' })), 'down');
  const busy = judged({ admin: 'maint', ejected: true });
  assert.equal(standingOf(busy.state), 'maint');
  assert.equal(loadOf(busy, 0), 'ejected');
  assert.equal(loadOf(judged({ ejected: true, full: true }), 0), 'ejected');
  assert.equal(loadOf(judged({ full: true }), 0), 'full');
  assert.equal(loadOf(judged({}), 0), 'ok');
});

test('capacity is who serves; taken out is whom an operator or a verdict took out', () => {
  assert.deepEqual(ELIGIBILITIES, ['ok', 'panic', ...FACTS.map(([reason]) => reason)]);
  assert.deepEqual(ELIGIBILITIES.filter(isCapacity), ['ok', 'full']);
  const standings = FACTS.map(([, facts]) => standingOf(judged(facts).state));
  assert.deepEqual(standings.filter(isTakenOut), ['maint', 'drain', 'down']);
});
