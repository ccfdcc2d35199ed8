// Colour and tables: where colour is wanted, and how columns line up and are cut.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasColour, table } from './output.ts';

for (const [isTTY, environment, expected] of [
  [true, {}, true],
  [false, {}, false],
  [true, { NO_COLOR: '1' }, false],
  [true, { NO_COLOR: '' }, true],
  [false, { FORCE_COLOR: '1' }, true],
  [true, { FORCE_COLOR: '0' }, false],
  [false, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  [true, { TERM: 'dumb' }, false],
] as const) {
  test(`${isTTY ? 'a terminal' : 'a pipe'} with ${JSON.stringify(environment)} ${expected ? 'has' : 'has no'} colour`, () => {
    assert.equal(hasColour({ isTTY }, environment), expected);
  });
}

test('numbers line up at the right, text at the left, no blanks at the end', () => {
  assert.deepEqual(
    table([
      ['NAME', 'COUNT', 'WHY'],
      ['a', 5, ''],
      ['long', 1234, 'x'],
    ]),
    ['NAME  COUNT  WHY', 'a         5', 'long   1234  x'],
  );
});

test('a line that is too wide is cut with a sign', () => {
  assert.deepEqual(table([['abc', 'defghij']], 8), ['abc  de…']);
  assert.deepEqual(table([['abc', 'defghij']], 0), ['abc  defghij']);
});
