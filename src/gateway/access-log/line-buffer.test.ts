// The pieces of a line: each byte is escaped or not wherever it stands, numbers have their digits, and lines are whole
// whatever fits into a block.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Taken } from '../../../test/support/gateway/access-line.ts';
import { type LineBuffer, readyOf } from './line-buffer.ts';

function lineOf(put: (into: LineBuffer) => void, blockBytes?: number): string {
  return new Taken(blockBytes).put(put).slice(0, -1);
}

/** As V8 makes it of what is cut out of a longer text. */
function piece(text: string): string {
  return `${'head '.repeat(9)}${text}`.slice(45);
}

const marked = (text: string): string => text.replace(/["\\\x00-\x1f\x7f-\xff]/g, '<$&>');

test('every byte at every place of a piece is escaped, or stands as it is', () => {
  for (let length = 1; length <= 21; length += 1) {
    for (let place = 0; place < length; place += 1) {
      const texts = Array.from({ length: 256 }, (_, code) =>
        piece(`${'a'.repeat(place)}${String.fromCharCode(code)}${'~'.repeat(length - place - 1)}`),
      );
      const line = lineOf((into) => {
        for (const text of texts) into.escaped(text, marked);
      }, 65_536);
      assert.equal(line, texts.map(marked).join(''), `${place} of ${length}`);
    }
  }
});

test('a byte that is escaped does not take one before or behind the piece for another', () => {
  for (const [before, text, after] of [
    ['"""""', 'harmless, and long enough', '"""""'],
    ['\x7f', 'short', '\\'],
  ] as const) {
    const line = lineOf((into) => {
      into.text(before);
      into.escaped(text, () => assert.fail('nothing to escape'));
      into.text(after);
    });
    assert.equal(line, `${before}${text}${after}`);
  }
});

const NUMBERS = [
  ...Array.from({ length: 1100 }, (_, number) => number),
  ...[9999, 10_000, 99_999, 100_000, 123_456, 9_999_999, 10_000_000, 99_999_999, 100_000_000],
  ...[0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 2 ** 40, Number.MAX_SAFE_INTEGER],
];

test('numbers have the digits that String() gives them, and zeros where a width is asked for', () => {
  for (const number of NUMBERS) {
    for (const width of [1, 3, 8]) {
      const decimal = lineOf((into) => into.digits(number, width));
      const zeros = number <= 99_999_999 ? width : 1;
      assert.equal(decimal, String(number).padStart(zeros, '0'));
      const hexadecimal = lineOf((into) => into.hexDigits(number, width));
      assert.equal(hexadecimal, number.toString(16).padStart(width, '0'));
    }
  }
  assert.equal(
    lineOf((into) => into.digits(-3)),
    '-3',
  );
});

test('a ready piece of any length stands alone, with bytes beyond ASCII', () => {
  for (let length = 0; length < 40; length += 1) {
    const text = '\xff\x7f\xf0\x80"\xc3\xa9abcdefgh\xff\xff\xff\xff'.repeat(3).slice(0, length);
    const ready = readyOf(text);
    const line = lineOf((into) => {
      into.ready(ready);
      into.text('|');
      into.ready(ready);
    });
    assert.equal(line, `${text}|${text}`);
  }
});

test('lines are whole and in order, whatever the size of a block', () => {
  // Not whole words.
  const ready = readyOf('a ready piece');
  const put = (number: number) => (into: LineBuffer) => {
    into.ready(ready);
    into.digits(number);
    into.text(piece(' and text that is long'));
    into.hexDigits(number, 8);
    into.escaped(piece('x"'.repeat(number)), marked);
  };
  const expected = Array.from({ length: 30 }, (_, number) =>
    lineOf(put(number), 65_536).concat('\n'),
  );
  for (let blockBytes = 1; blockBytes < 400; blockBytes += 1) {
    const taken = new Taken(blockBytes);
    taken.put(...expected.map((_, number) => put(number)));
    assert.equal(taken.text, expected.join(''), `${blockBytes}`);
    assert.equal(
      taken.lines.reduce((sum, lines) => sum + lines, 0),
      expected.length,
    );
    assert(taken.lines.every((lines) => lines > 0));
  }
});

test('what a line has left unfinished is no part of the next one', () => {
  const taken = new Taken();
  assert.throws(() =>
    taken.put((into) => {
      into.text('half of a li');
      throw new Error('a format that fails');
    }),
  );
  assert.equal(
    taken.put((into) => into.text('next')),
    'next\n',
  );
});
