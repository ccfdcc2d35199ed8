// The heap against a plain list, with seeded random operations.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import { Heap } from './heap.ts';

type Item = { due: number; place: number };

test('gives the items in order through random additions, moves and removals', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = seededRandom(seed);
    const heap = new Heap<Item>((a, b) => a.due < b.due);
    const items: readonly Item[] = Array.from({ length: 50 }, () => ({ due: 0, place: -1 }));
    const queued = (): number[] => items.filter((item) => item.place >= 0).map((item) => item.due);
    for (let step = 0; step < 500; step += 1) {
      const item = items[Math.floor(random() * items.length)];
      assert.ok(item);
      if (random() < 0.4) {
        heap.remove(item);
        assert.equal(item.place, -1);
      } else {
        item.due = Math.floor(random() * 100);
        if (item.place < 0) heap.add(item);
        else heap.moved(item);
      }
      const left = queued();
      assert.equal(heap.size, left.length);
      assert.equal(heap.first?.due, left.length === 0 ? undefined : Math.min(...left));
    }
    const expected = queued().sort((a, b) => a - b);
    const drained: number[] = [];
    for (let first = heap.first; first !== undefined; first = heap.first) {
      drained.push(first.due);
      heap.remove(first);
    }
    assert.deepEqual(drained, expected, `seed ${seed}`);
  }
});
