import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeTicks, valueTicks } from './axes.ts';

test('the grid is at numbers that people like, and its end is above all values', () => {
  assert.deepEqual(valueTicks(49), [0, 20, 40, 60]);
  assert.deepEqual(valueTicks(3), [0, 1, 2, 3]);
  assert.deepEqual(valueTicks(0.3), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(valueTicks(1234), [0, 500, 1000, 1500]);
  assert.deepEqual(valueTicks(0), [0, 1]);
  for (const most of [0.0123, 0.7, 7, 9.99, 10, 101, 98_765]) {
    const ticks = valueTicks(most);
    assert((ticks.at(-1) ?? 0) >= most && ticks.length >= 3 && ticks.length <= 5, String(most));
  }
});

test('times are whole ones, and no more than there is room for', () => {
  const day = Date.UTC(2026, 10, 27);
  const at = (from: number, to: number, count: number): string[] =>
    timeTicks(day + from, day + to, count).map((ms) => new Date(ms).toISOString().slice(11, 19));
  assert.deepEqual(at(10_000, 310_000, 4), ['00:02:00', '00:04:00']);
  assert.deepEqual(at(0, 3_600_000, 4), [
    '00:00:00',
    '00:15:00',
    '00:30:00',
    '00:45:00',
    '01:00:00',
  ]);
  assert.deepEqual(at(500, 600, 4), []);
});
