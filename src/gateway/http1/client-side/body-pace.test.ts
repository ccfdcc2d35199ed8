// Bodies that come too slowly, on virtual time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyPace } from './body-pace.ts';

/** Reads of `bytes` each `everyMs`; answers when it was too slow, ms, or -1. */
function slowAt(bytes: number, everyMs: number, rate = 240): number {
  const pace = new BodyPace();
  for (let nowMs = 0; nowMs <= 100_000; nowMs += everyMs) {
    if (pace.isTooSlow(bytes, nowMs, rate)) return nowMs;
  }
  return -1;
}

test('a byte now and then is too slow after ten seconds, the rate itself is not', () => {
  assert.equal(slowAt(1, 1000), 10_000);
  assert.equal(slowAt(1, 29_000), 29_000);
  assert.equal(slowAt(240, 1000), -1);
  assert.equal(slowAt(1, 1000, 0), -1);
});

test('a quick beginning is no credit for the rest', () => {
  const pace = new BodyPace();
  assert.equal(pace.isTooSlow(1_000_000, 0, 240), false);
  const slow: number[] = [];
  for (let nowMs = 1000; nowMs <= 30_000; nowMs += 1000) {
    if (pace.isTooSlow(1, nowMs, 240)) slow.push(nowMs);
  }
  assert.equal(slow[0], 21_000);
});

test('a pause of ours opens a new window', () => {
  const pace = new BodyPace();
  assert.equal(pace.isTooSlow(1, 0, 240), false);
  pace.restart();
  assert.equal(pace.isTooSlow(1, 60_000, 240), false);
});
