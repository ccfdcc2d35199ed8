import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import { type Timed, Wheel } from './wheel.ts';

class Entry implements Timed {
  deadlineAt = Number.POSITIVE_INFINITY;
  slotTick = -1;
  firedAt: number[] = [];
  readonly #now: () => number;
  constructor(now: () => number) {
    this.#now = now;
  }
  onDeadline(): void {
    this.firedAt.push(this.#now());
  }
}

test('fires each entry once, never early, at most two ticks late', () => {
  const random = seededRandom(7);
  let nowMs = 5_000_000;
  const wheel = new Wheel(() => nowMs);
  const entries: { entry: Entry; dueMs: number }[] = [];
  for (let index = 0; index < 500; index += 1) {
    const entry = new Entry(() => nowMs);
    // Also far beyond one round of the wheel.
    const ms = Math.floor(random() ** 3 * 400_000);
    wheel.set(entry, ms);
    entries.push({ entry, dueMs: nowMs + ms });
  }
  while (nowMs < 5_500_000) {
    nowMs += 100;
    wheel.tick();
  }
  for (const { entry, dueMs } of entries) {
    assert.equal(entry.firedAt.length, 1);
    const lateMs = (entry.firedAt[0] ?? 0) - dueMs;
    assert.ok(lateMs >= 0 && lateMs <= 200, `${lateMs} ms late`);
  }
});

test('a deadline that moves on does not fire at its old time, one that moves up fires early', () => {
  let nowMs = 0;
  const wheel = new Wheel(() => nowMs);
  const later = new Entry(() => nowMs);
  const sooner = new Entry(() => nowMs);
  const cleared = new Entry(() => nowMs);
  const forgotten = new Entry(() => nowMs);
  wheel.set(later, 500);
  wheel.set(sooner, 60_000);
  wheel.set(cleared, 500);
  wheel.set(forgotten, 500);
  nowMs = 300;
  wheel.tick();
  wheel.set(later, 5000);
  wheel.set(sooner, 200);
  wheel.clear(cleared);
  wheel.forget(forgotten);
  assert.equal(forgotten.slotTick, -1);
  nowMs = 1000;
  wheel.tick();
  assert.deepEqual(later.firedAt, []);
  assert.deepEqual(sooner.firedAt, [1000]);
  nowMs = 10_000;
  wheel.tick();
  assert.deepEqual(later.firedAt, [10_000]);
  assert.deepEqual([...cleared.firedAt, ...forgotten.firedAt], []);
});

test('works off everything after a stall longer than a whole round', () => {
  let nowMs = 0;
  const wheel = new Wheel(() => nowMs);
  const entries = [100, 50_000, 150_000].map((ms) => {
    const entry = new Entry(() => nowMs);
    wheel.set(entry, ms);
    return entry;
  });
  nowMs = 500_000;
  wheel.tick();
  nowMs += 100;
  wheel.tick();
  for (const entry of entries) assert.equal(entry.firedAt.length, 1);
});
