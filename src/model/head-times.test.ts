// Buckets and quantiles of the times to the head of an answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DURATION_BOUNDS_MS, HEAD_BOUNDS_MS, HEAD_BUCKETS, headQuantile } from '../model.ts';
import { headBucket } from './head-times.ts';

test('a time falls into the first bucket whose bound it does not exceed', () => {
  for (const [place, bound] of HEAD_BOUNDS_MS.entries()) {
    assert.equal(headBucket(bound), place, `${bound} ms`);
    assert.equal(headBucket(bound + 0.001), place + 1, `just above ${bound} ms`);
  }
  assert.equal(headBucket(0), 0);
  assert.equal(headBucket(1e9), HEAD_BUCKETS - 1);
});

test('the bounds of the durations are among them, so that both have the same series', () => {
  const missing = DURATION_BOUNDS_MS.filter((bound) => !HEAD_BOUNDS_MS.includes(bound));
  assert.deepEqual(missing, []);
  assert.deepEqual(
    HEAD_BOUNDS_MS.toSorted((a, b) => a - b),
    HEAD_BOUNDS_MS,
  );
});

function bucketsOf(...times: readonly number[]): number[] {
  const buckets = new Array<number>(HEAD_BUCKETS).fill(0);
  for (const ms of times) {
    const place = headBucket(ms);
    buckets[place] = (buckets[place] ?? 0) + 1;
  }
  return buckets;
}

test('a quantile lies within the bucket of its answer, by a straight line', () => {
  assert.equal(headQuantile(bucketsOf(), 0.5), Number.NaN);
  assert.equal(headQuantile([], 0.5), Number.NaN);
  assert.equal(headQuantile(bucketsOf(8), 0.5), 8.5);
  const many = bucketsOf(...new Array<number>(12).fill(8), 80);
  assert.equal(headQuantile(many, 0.5), 7 + (3 * 6.5) / 12);
  assert(Math.abs(headQuantile(many, 0.99) - 96.1) < 1e-9);
  assert.equal(headQuantile(bucketsOf(99_000), 0.99), 60_000, 'beyond the last bound');
});
