// The tree against the plain sum, with weights that change.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../test/support/base/random.ts';
import { WeightTree } from './weight-tree.ts';

function plainFind(weights: readonly number[], from: number): number {
  let left = from;
  return weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
}

test('finds what the plain sum finds, whatever the size and the weights', () => {
  const random = seededRandom(11);
  for (let size = 1; size <= 40; size += 1) {
    const weights = Array.from({ length: size }, () => Math.floor(random() * 4));
    const tree = new WeightTree(weights);
    for (let change = 0; change < 20; change += 1) {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      assert.equal(tree.total, total);
      for (let from = 0; from < total; from += 1) {
        assert.equal(tree.find(from), plainFind(weights, from), `${from} in ${weights}`);
      }
      const place = Math.floor(random() * size);
      weights[place] = Math.floor(random() * 9);
      tree.set(place, weights[place] ?? 0);
    }
  }
});

test('without weights there is nothing to find, and no harm in asking', () => {
  assert.equal(new WeightTree([]).find(0), 0);
  assert.equal(new WeightTree([]).total, 0);
  assert.equal(new WeightTree([0, 0]).find(0), 2);
});
