// The heap against a plain list, with seeded random operations.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/random.ts';
import { DueQueue } from './due-queue.ts';

test('gives the items in order of their due times through random puts, moves and removals', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = seededRandom(seed);
    const queue = new DueQueue<{ dueMs: number; place: number }>();
    const items = Array.from({ length: 50 }, () => ({ dueMs: 0, place: -1 }));
    for (let step = 0; step < 500; step += 1) {
      const item = items[Math.floor(random() * items.length)];
      assert.ok(item);
      if (random() < 0.4) queue.remove(item);
      else queue.put(item, Math.floor(random() * 100));
      const queued = items.filter((entry) => entry.place >= 0).map((entry) => entry.dueMs);
      assert.equal(queue.first?.dueMs, queued.length === 0 ? undefined : Math.min(...queued));
    }
    const left = items.filter((entry) => entry.place >= 0).map((entry) => entry.dueMs);
    const drained: number[] = [];
    for (let first = queue.first; first !== undefined; first = queue.first) {
      drained.push(first.dueMs);
      queue.remove(first);
      assert.equal(first.place, -1);
    }
    assert.deepEqual(
      drained,
      left.sort((a, b) => a - b),
      `seed ${seed}`,
    );
  }
});
