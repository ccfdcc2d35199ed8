import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  closedEarly,
  connectFailure,
  type FailureCode,
  failure,
  isOutOfDescriptors,
  mayRetry,
  outcomeOf,
  whileSending,
} from './retry.ts';

test('the retry table', () => {
  // code, idempotent, replayable, sent → another attempt?
  const table: readonly [FailureCode, boolean, boolean, boolean, boolean][] = [
    ['connect_refused', false, true, false, true],
    ['connect_refused', true, true, false, true],
    ['connect_timeout', false, true, false, true],
    ['connect_failed', false, true, false, true],
    ['no_socket', true, true, false, false],
    ['closed_early', true, true, true, true],
    ['closed_early', false, true, true, false],
    ['closed_early', true, false, true, false],
    ['response_timeout', true, true, true, true],
    ['response_timeout', false, true, true, false],
    ['send_timeout', false, true, true, false],
    ['bad_response', true, true, true, false],
    ['bad_response', false, true, true, false],
  ];
  for (const [code, idempotent, replayable, sent, expected] of table) {
    const retried = mayRetry(failure(code, ''), { idempotent, replayable, sent });
    assert.equal(retried, expected, `${code} ${JSON.stringify({ idempotent, replayable, sent })}`);
  }
});

test('what the system says of a connection that never came up', () => {
  const table: readonly [string, FailureCode, boolean][] = [
    ['ECONNREFUSED', 'connect_refused', false],
    ['ETIMEDOUT', 'connect_timeout', false],
    ['EMFILE', 'no_socket', true],
    ['ENFILE', 'no_socket', true],
    ['EADDRNOTAVAIL', 'no_socket', false],
    ['ENOBUFS', 'no_socket', false],
    ['ENOMEM', 'no_socket', false],
    ['EHOSTUNREACH', 'connect_failed', false],
    ['', 'connect_failed', false],
  ];
  for (const [system, code, isShort] of table) {
    const failed = connectFailure(system, 'a');
    assert.deepEqual(failed, failure(code, failed.reason), system);
    assert.equal(isOutOfDescriptors(system), isShort, system);
  }
  assert.match(connectFailure('', 'a').reason, /closed while connecting/);
  assert.match(connectFailure('EHOSTUNREACH', 'a').reason, /EHOSTUNREACH/);
});

test('who is to blame, and what the client gets', () => {
  const table: readonly [FailureCode, string, number][] = [
    ['connect_refused', 'server', 502],
    ['connect_timeout', 'server', 504],
    ['connect_failed', 'server', 502],
    ['no_socket', 'gateway', 503],
    ['closed_early', 'server', 502],
    ['closed_in_head', 'server', 502],
    ['response_timeout', 'server', 504],
    ['send_timeout', 'server', 504],
    ['bad_response', 'server', 502],
  ];
  for (const [code, source, status] of table) {
    const failed = failure(code, '');
    assert.deepEqual([failed.source, failed.status], [source, status], code);
    const sending = whileSending(failed).source;
    assert.equal(sending, source === 'server' ? 'client' : source, code);
  }
  assert.equal(closedEarly('a', false, 'closed', '').code, 'closed_early');
  assert.equal(closedEarly('a', true, 'closed', '').code, 'closed_in_head');
});

test('what a failure says about its server', () => {
  const outcome = (failed: Parameters<typeof outcomeOf>[0], isFirst: boolean, hasOther: boolean) =>
    outcomeOf(failed, { isFirst, hasOther });
  for (const isFirst of [true, false]) {
    for (const hasOther of [true, false]) {
      const blamed = isFirst && hasOther ? 'failure' : 'spared';
      assert.equal(outcome(failure('connect_refused', ''), isFirst, hasOther), 'failure');
      assert.equal(outcome(failure('no_socket', ''), isFirst, hasOther), 'neutral');
      assert.equal(outcome(failure('closed_early', ''), isFirst, hasOther), blamed);
      assert.equal(outcome(failure('bad_response', ''), isFirst, hasOther), blamed);
      assert.equal(outcome({ source: 'client', retry: 'yes' }, isFirst, hasOther), 'neutral');
    }
  }
});
