import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { ownResponseText } from '../http1/syntax.ts';
import { Wheel } from '../wheel.ts';
import { OwnAnswers } from './own-answers.ts';

const SECRETS = 'upstream "app", 10.0.0.1:80 (1 maint)\r\nX: \xe4';

function own(options: { isReasonShown?: boolean; onWarn?: (fields: unknown) => void } = {}) {
  let nowMs = 0;
  const wheel = new Wheel(() => nowMs);
  const log = { ...silentLog, warn: (fields: unknown) => options.onWarn?.(fields) };
  const answers = new OwnAnswers({
    log,
    wheel,
    isReasonShown: options.isReasonShown ?? false,
    now: () => nowMs,
  });
  return {
    say: (status: number, method = 'GET') =>
      ownResponseText({
        ...answers.compose({ status, reason: SECRETS, upstream: undefined }),
        ...{ requestMethod: method, keepAlive: true },
      }),
    wait: (ms: number) => {
      nowMs += ms;
      wheel.tick();
    },
    close: () => answers.close(),
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

test('the log names the reason soon, then now and then, with the number, and leaves none out', () => {
  const said: unknown[] = [];
  const { say, wait, close } = own({ onWarn: (fields) => said.push(fields) });
  const line = (status: number, requests: number) => ({
    ...{ upstream: '', status, requests, reason: SECRETS },
  });
  say(404);
  for (let count = 0; count < 5; count += 1) say(503);
  say(502);
  assert.deepEqual(said, []);
  wait(2000);
  assert.deepEqual(said.splice(0), [line(503, 5), line(502, 1)]);
  say(503);
  wait(5000);
  say(503);
  assert.deepEqual(said, []);
  wait(7000);
  assert.deepEqual(said.splice(0), [line(503, 2)]);
  say(503);
  close();
  assert.deepEqual(said, [line(503, 1)]);
});
