import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestHead } from '../message.ts';
import { RequestIds } from '../recorder.ts';
import { Attempts } from './attempts.ts';
import type { ClientStream } from './client-stream.ts';
import { failure } from './retry.ts';

const NO_LIMITS = { tries: 0, triesTimeoutMs: 0 };

function attempts(method: string, requestId = ''): Attempts {
  const head: Partial<RequestHead> = { method, target: '/', host: 'a', fields: '', requestId };
  // Neither is asked for more.
  return new Attempts(head as RequestHead, {} as ClientStream, 0);
}

test('another attempt is bounded in number and time, where they are given', () => {
  const get = attempts('GET');
  const refused = failure('connect_refused', '');
  const may = (tries: number, triesTimeoutMs: number, sinceMs: number) =>
    get.mayGoOn(refused, true, { tries, triesTimeoutMs }, sinceMs);
  get.tried = [{}, {}] as unknown as Attempts['tried'];
  assert.equal(may(0, 0, 1e9), true);
  assert.equal(may(3, 0, 1e9), true);
  assert.equal(may(2, 0, 0), false);
  assert.equal(may(0, 1000, 999), true);
  assert.equal(may(0, 1000, 1000), false);
  assert.equal(get.mayGoOn(refused, false, NO_LIMITS, 0), false, 'its body is not at hand');
});

test('a request that must not be sent twice goes on only where nothing was sent', () => {
  const closed = failure('closed_early', '');
  for (const [method, isSent, expected] of [
    ['POST', true, false],
    ['POST', false, true],
    ['GET', true, true],
  ] as const) {
    const one = attempts(method);
    one.begin(5);
    assert.equal(one.isSent, false);
    one.isSent = isSent;
    assert.equal(one.mayGoOn(closed, true, NO_LIMITS, 0), expected, `${method} ${isSent}`);
    one.begin(7);
    assert.deepEqual([one.isSent, one.startedMs], [false, 7], 'each attempt begins unsent');
  }
});

test('one request counts against one server at most, but for one that cannot be reached', () => {
  const one = attempts('GET');
  const refused = failure('connect_refused', '');
  const closed = failure('closed_early', '');
  assert.equal(one.outcomeOf(refused, true), 'failure');
  assert.equal(one.outcomeOf(closed, true), 'failure');
  assert.equal(one.outcomeOf(closed, true), 'spared');
  assert.equal(one.outcomeOf(refused, true), 'failure');
});

test('the id of a request is one, whether its number or its text is asked for first', () => {
  const ids = new RequestIds('gw-');
  const numbered = attempts('GET');
  assert.deepEqual([numbered.idNumberFrom(ids), numbered.idNumberFrom(ids)], [1, 1]);
  assert.deepEqual([numbered.idFrom(ids), numbered.idFrom(ids)], ['gw-00000001', 'gw-00000001']);
  assert.equal(numbered.idNumberFrom(ids), 1);
  const named = attempts('GET', 'mine');
  assert.equal(named.idFrom(ids), 'gw-00000002');
  assert.equal(named.idNumberFrom(ids), 0);
  ids.mode = 'trust';
  const trusted = attempts('GET', 'mine');
  assert.equal(trusted.idNumberFrom(ids), 0);
  assert.equal(trusted.idFrom(ids), 'mine');
  assert.equal(attempts('GET', 'not "mine"').idNumberFrom(ids), 3);
});
