// The order of keys and the prefix ranges, against Buffer.compare and a plain filter.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../test/support/base/random.ts';
import { compareKeys, SortedMap, someUnder } from './sorted-map.ts';

const ALPHABET = [
  'a',
  'b',
  '/',
  'é',
  '\u{ffff}',
  '\u{e000}',
  '\u{10000}',
  '\u{10ffff}',
  '\u{d7ff}',
];

test('orders keys as their UTF-8 bytes do', () => {
  const random = seededRandom(1);
  for (let round = 0; round < 2000; round++) {
    const [left, right] = [someKey(random), someKey(random)];
    const expected = Math.sign(Buffer.compare(Buffer.from(left), Buffer.from(right)));
    assert.equal(Math.sign(compareKeys(left, right)), expected, JSON.stringify([left, right]));
  }
});

for (const chunkMax of [2, 7, 1024]) {
  test(`keeps prefixes together through insertions and removals, ${chunkMax} keys in a chunk`, () =>
    compareWithPlain(new SortedMap<number>(chunkMax)));
}

function compareWithPlain(map: SortedMap<number>): void {
  const random = seededRandom(2);
  const plain = new Map<string, number>();
  for (let round = 0; round < 3000; round++) {
    const key = someKey(random);
    const dice = random();
    if (dice < 0.5) {
      map.set(key, round);
      plain.set(key, round);
    } else if (dice < 0.8) {
      map.delete(key);
      plain.delete(key);
    } else if (dice < 0.82) {
      const removed = map.deletePrefix(key);
      assert.deepEqual(removed, expected(plain, key));
      for (const [each] of removed) plain.delete(each);
      if (random() < 0.5) {
        map.setMany(removed);
        for (const [each, value] of removed) plain.set(each, value);
      }
    }
    const prefix = someKey(random).slice(0, 2);
    assert.deepEqual(map.pairs(prefix), expected(plain, prefix));
    assert.equal(map.size, plain.size);
    assert.equal(someUnder(map.keys(''), prefix), expected(plain, prefix).length > 0);
  }
}

function someKey(random: () => number): string {
  const length = Math.floor(random() * 5);
  return Array.from({ length }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('');
}

function expected(plain: ReadonlyMap<string, number>, prefix: string): [string, number][] {
  return [...plain]
    .filter(([key]) => key.startsWith(prefix))
    .sort(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
}
