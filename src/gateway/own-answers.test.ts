import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/log.ts';
import { OwnAnswers } from './own-answers.ts';

const SECRETS = 'upstream "app", 10.0.0.1:80 (1 maint)\r\nX: \xe4';

function own(options: { isReasonShown?: boolean; onWarn?: (fields: unknown) => void } = {}) {
  let nowMs = 0;
  const log = { ...silentLog, warn: (fields: unknown) => options.onWarn?.(fields) };
  const answers = new OwnAnswers({
    log,
    isReasonShown: options.isReasonShown ?? false,
    now: () => nowMs,
  });
  return {
    say: (status: number, method = 'GET') =>
      answers.compose({ status, reason: SECRETS, upstream: undefined, method, keepsAlive: true }),
    wait: (ms: number) => {
      nowMs += ms;
    },
  };
}

for (const status of [404, 502, 503, 504]) {
  test(`a ${status} says nothing about what is behind the gateway`, () => {
    for (const method of ['GET', 'HEAD']) {
      const text = own().say(status, method);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.doesNotMatch(text, /app|10\.0|maint|X-Sluice/);
      assert.equal(/\r\nRetry-After: 5\r\n/.test(text), status === 503);
    }
    const shown = own({ isReasonShown: true }).say(status);
    assert.match(
      shown,
      /\r\nX-Sluice-Reason: upstream "app", 10\.0\.0\.1:80 \(1 maint\)\?\?X: \?\r\n/,
    );
    assert.match(shown, /\r\n\r\nsluice: [a-z ,]+\n$/);
  });
}

test('the log names the reason at once and then now and then, with the number', () => {
  const said: unknown[] = [];
  const { say, wait } = own({ onWarn: (fields) => said.push(fields) });
  say(404);
  assert.deepEqual(said, []);
  for (let count = 0; count < 5; count += 1) say(503);
  say(502);
  wait(9_999);
  say(503);
  assert.equal(said.length, 2);
  wait(1);
  say(503);
  assert.deepEqual(said[2], { upstream: '', status: 503, reason: SECRETS, requests: 6 });
});
