// Figures of several gateways, by choice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seenFrom } from './seen.ts';

const second = (requests: number) => ({ requests, failures: 0, errors: 0 });
const ROW = {
  ...{ name: 'app', inFlight: 3, lastSecond: second(1) },
  sum: { inFlight: 6, lastSecond: second(11) },
  elsewhere: { b: { inFlight: 4, lastSecond: second(10) } },
};

test('all are the sum, with what is in flight here at this moment', () => {
  const { inFlight, lastSecond, name } = seenFrom(ROW, '');
  assert.deepEqual([inFlight, lastSecond.requests, name], [7, 11, 'app']);
});

test('this one, and another one, by itself', () => {
  assert.equal(seenFrom(ROW, 'own'), ROW);
  const { inFlight, lastSecond } = seenFrom(ROW, 'b');
  assert.deepEqual([inFlight, lastSecond.requests], [4, 10]);
});

test('without others there is only this one, and one that was not heard has no figures', () => {
  const alone = { inFlight: 3, lastSecond: second(1) };
  assert.equal(seenFrom(alone, ''), alone);
  assert.equal(seenFrom(alone, 'b'), alone);
  assert.deepEqual(seenFrom(ROW, 'c').lastSecond, second(0));
  assert.equal(seenFrom(ROW, ''), seenFrom(ROW, ''), 'the same row is the same');
});
