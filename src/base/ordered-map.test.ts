// The map beside a plain list of entries, with random puts between and takings out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import { OrderedMap } from './ordered-map.ts';

test('whatever is put between and taken out, the order and the places are those of a list', () => {
  const random = seededRandom(3);
  const below = (bound: number): number => Math.floor(random() * bound);
  const map = new OrderedMap<string, number>([['x', 0]]);
  const list: [string, number][] = [['x', 0]];
  for (let step = 1; step < 500; step += 1) {
    const action = random();
    const [at, key] = [below(list.length + 1), `k${step}`];
    const known = list[at];
    if (action < 0.4) {
      map.insert(at, key, step);
      list.splice(at, 0, [key, step]);
    } else if (known === undefined) {
      map.set(key, step);
      list.push([key, step]);
      assert.equal(map.delete('never'), false);
    } else if (action < 0.7) {
      map.set(known[0], step);
      known[1] = step;
    } else {
      assert.equal(map.delete(known[0]), true);
      list.splice(at, 1);
    }
    assert.deepEqual([...map], list);
    assert.deepEqual(
      [...map.keys()].map((name) => map.placeOf(name)),
      [...list.keys()],
    );
  }
  assert.deepEqual(
    [...map.values()],
    list.map(([, value]) => value),
  );
  const seen: string[] = [];
  map.forEach((value, key) => void seen.push(`${key}=${value}`));
  assert.deepEqual(
    seen,
    list.map(([key, value]) => `${key}=${value}`),
  );
  assert.deepEqual([map.size, map.placeOf('none'), map.get('none')], [list.length, -1, undefined]);
});
