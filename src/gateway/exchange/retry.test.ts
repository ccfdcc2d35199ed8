import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectFailure, type FailureCode, failure, mayRetry } from './retry.ts';

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

test('only the server is blamed for what the server did', () => {
  assert.equal(connectFailure('EMFILE', 'a').source, 'gateway');
  assert.equal(connectFailure('ECONNREFUSED', 'a').source, 'server');
  assert.equal(connectFailure('EHOSTUNREACH', 'a').status, 502);
  assert.equal(connectFailure('ETIMEDOUT', 'a').status, 504);
});
