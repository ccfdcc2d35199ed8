// Bodies: rules 32 to 42 and 64. Each case runs behind a request head whole, cut at every byte and byte
// by byte; the limits are 20 bytes of extensions, 60 bytes and 3 lines of trailers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertOutcome,
  BODY_LIMITS,
  type Expected,
  LIMITS,
  readRequest,
} from '../../../../test/support/gateway/http1-lab.ts';
import { BodyReader } from './body.ts';
import type { Http1Request } from './types.ts';

type Case = readonly [name: string, body: string, expected: Expected<Http1Request>];

const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const END = '0\r\n\r\n';

const SIZES: readonly Case[] = [
  ['36 two chunks', `3\r\nabc\r\n2\r\nde\r\n${END}`, { body: 'abcde' }],
  ['36 an empty body', `${END}GET`, { rest: 'GET' }],
  [
    '36 hex digits in both cases',
    `a\r\n0123456789\r\nA\r\n0123456789\r\n${END}`,
    { body: '01234567890123456789' },
  ],
  ['36 two digits', `10\r\n0123456789abcdef\r\n${END}`, { body: '0123456789abcdef' }],
  ['36 chunk syntax inside a chunk', `5\r\n0\r\n\r\n\r\n${END}`, { body: '0\r\n\r\n' }],
  ['36 leading zeros', `0003\r\nabc\r\n${END}`, { body: 'abc' }],
  ['36 16 digits', `0000000000000001\r\na\r\n${END}`, { body: 'a' }],
  ['36 17 digits', `00000000000000001\r\na\r\n${END}`, 400],
  ['36 16 zeros as the last chunk', '0000000000000000\r\n\r\n', {}],
  ['36 17 zeros', '00000000000000000\r\n\r\n', 400],
  ['36 2^53-1', '1fffffffffffff\r\n', 'incomplete'],
  ['36 2^53', '20000000000000\r\n', 400],
  ['36 2^64-1', 'ffffffffffffffff\r\n', 400],
  ['36 2^64+1', '10000000000000001\r\n', 400],
  ...[
    '+3',
    '-3',
    '0x3',
    ' 3',
    '\t3',
    '3 ',
    '3\t',
    '3\x0b',
    '"3"',
    '3_0',
    '3,',
    '3.0',
    '3g',
    'g',
    '',
    '\0',
    '3\0',
    '\x0c3',
    '3\xa0',
    '\xef\xbc\x93',
  ].map((size): Case => [`36 ${JSON.stringify(size)}`, `${size}\r\nabc\r\n${END}`, 400]),
  ['1 lf behind the size', `3\nabc\r\n${END}`, 400],
  ['2 cr behind the size', `3\rabc\r\n${END}`, 400],
  ['2 cr cr lf behind the size', `3\r\r\nabc\r\n${END}`, 400],
  ['39 lf behind the data', `3\r\nabc\n${END}`, 400],
  ['39 lf lf behind the data', `3\r\nabc\n\n${END}`, 400],
  ['39 cr behind the data', `3\r\nabc\r${END}`, 400],
  ['39 nothing behind the data', `3\r\nabc${END}`, 400],
  ['39 data longer than its size', `3\r\nabcd\r\n${END}`, 400],
  ['39 data shorter than its size', `5\r\nabc\r\n${END}`, 400],
  ['40 an empty line is no last chunk', '\r\n\r\n', 400],
  ['64 no end', '3\r\nabc\r\n', 'incomplete'],
  ['64 no final crlf', '0\r\n', 'incomplete'],
];

const EXTENSIONS: readonly Case[] = [
  ['37 a name', `3;a\r\nabc\r\n0;b\r\n\r\n`, { body: 'abc' }],
  ['37 a token', `3;a=b\r\nabc\r\n${END}`, { body: 'abc' }],
  ['37 several', `3;a=b;c;d=e\r\nabc\r\n${END}`, { body: 'abc' }],
  ['37 quoted', `3;a="b; c"\r\nabc\r\n${END}`, { body: 'abc' }],
  ['37 quoted and empty', `3;a=""\r\nabc\r\n${END}`, { body: 'abc' }],
  ['37 escaped', `3;a="\\"\\\\"\r\nabc\r\n${END}`, { body: 'abc' }],
  ['37 8-bit bytes in quotes', `3;a="\xe9"\r\nabc\r\n${END}`, { body: 'abc' }],
  ['37 blanks', `3; a\t= "b" ; c\r\nabc\r\n${END}`, { body: 'abc' }],
  ['37 20 bytes', `3;${'a'.repeat(19)}\r\nabc\r\n${END}`, { body: 'abc' }],
  ['37 21 bytes', `3;${'a'.repeat(20)}\r\nabc\r\n${END}`, 413],
  ['37 without an end', `3;${'a'.repeat(100)}`, 413],
  [
    '37 20 bytes in each of two',
    `1;${'a'.repeat(19)}\r\na\r\n1;${'a'.repeat(19)}\r\nb\r\n${END}`,
    { body: 'ab' },
  ],
  ...[
    ';',
    ';;',
    ';a;',
    ';=b',
    ';a=',
    ';a==b',
    ';a=b=c',
    ';a b',
    ';a=b c',
    ';a ',
    ';a= ',
    ';a=b ',
    ';a="b" ',
    ';a="b"c',
    ';a=b"c"',
    ';a,b',
    ';(a)',
    ';\xe9',
    ';a=\xe9',
    ' ;a',
    '\t;a',
  ].map(
    (extension): Case => [`37 ${JSON.stringify(extension)}`, `3${extension}\r\nabc\r\n${END}`, 400],
  ),
  ['38 lf in an extension', `3;a\nb\r\nabc\r\n${END}`, 400],
  ['38 lf ends an extension', `3;a\nabc\r\n${END}`, 400],
  ['38 cr in an extension', `3;a\rb\r\nabc\r\n${END}`, 400],
  ['38 an open quote', `3;a="b\r\nabc\r\n${END}`, 400],
  ['38 crlf in quotes', `3;a="\r\n"\r\nabc\r\n${END}`, 400],
  ['38 an escaped cr', `3;a="\\\r\n"\r\nabc\r\n${END}`, 400],
  ['38 an escaped lf', `3;a="\\\n"\r\nabc\r\n${END}`, 400],
  ['38 nul', `3;a\0\r\nabc\r\n${END}`, 400],
  ['38 nul in quotes', `3;a="\0"\r\nabc\r\n${END}`, 400],
];

const TRAILERS: readonly Case[] = [
  ['40 one', '0\r\nA: b\r\n\r\nGET', { rest: 'GET', fields: '' }],
  ['40 three', '0\r\nA: b\r\nC:\r\nD: \t e\xe9\r\n\r\n', { fields: '' }],
  ['40 four', '0\r\nA: b\r\nC:\r\nD: e\r\nF: g\r\n\r\n', 431],
  ['40 60 bytes', `0\r\nA: ${'b'.repeat(55)}\r\n\r\n`, {}],
  ['40 61 bytes', `0\r\nA: ${'b'.repeat(56)}\r\n\r\n`, 431],
  ['40 without an end', `0\r\nA: ${'b'.repeat(100)}`, 431],
  ['40 lf behind a trailer', '0\r\nA: b\n\r\n', 400],
  ['40 lf as the empty line', '0\r\n\n', 400],
  ['40 lf as the empty line behind a trailer', '0\r\nA: b\r\n\n', 400],
  ['40 cr in a trailer', '0\r\nA: b\rc\r\n\r\n', 400],
  ['40 crlf cr x', '0\r\n\rX', 400],
  ['40 no colon', '0\r\nabc\r\n\r\n', 400],
  ['40 an empty name', '0\r\n: b\r\n\r\n', 400],
  ['40 a space before the colon', '0\r\nA : b\r\n\r\n', 400],
  ['40 a folded line', '0\r\nA: b\r\n c\r\n\r\n', 400],
  ['40 nul', '0\r\nA: \0\r\n\r\n', 400],
  ['40 a request instead', '0\r\nGET / HTTP/1.1\r\n\r\n', 400],
  [
    '41 framing and forwarding fields go nowhere',
    '0\r\nContent-Length: 5\r\nX-Forwarded-For: 1\r\nHost: b\r\n\r\n',
    { fields: '', host: 'a', contentLength: 0, forwardedFor: '' },
  ],
];

for (const cases of [SIZES, EXTENSIONS, TRAILERS]) {
  for (const [name, body, expected] of cases) {
    test(`body: ${name}`, () => assertOutcome(readRequest(CHUNKED + body), expected));
  }
}

const LENGTH = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n';
const FIVE_AT_MOST = { ...BODY_LIMITS, bodyBytesMax: 5 };
const FOUR_AT_MOST = { ...BODY_LIMITS, bodyBytesMax: 4 };

test('body: a length up to the limit passes, above it is refused before a byte of it came', () => {
  assertOutcome(readRequest(`${LENGTH}abcde`, LIMITS, FIVE_AT_MOST), { body: 'abcde' });
  assertOutcome(readRequest(LENGTH, LIMITS, FOUR_AT_MOST), 413);
});

test('body: chunks up to the limit pass, the chunk above it is refused with its size line', () => {
  const chunks = `${CHUNKED}3\r\nabc\r\n2\r\n`;
  assertOutcome(readRequest(`${chunks}de\r\n${END}`, LIMITS, FIVE_AT_MOST), { body: 'abcde' });
  const outcome = readRequest(chunks, LIMITS, FOUR_AT_MOST);
  assertOutcome(outcome, 413);
  assert.equal(outcome.body, 'abc');
});

test('body: extensions are bounded over the whole body', () => {
  const limits = { ...BODY_LIMITS, chunkExtensionBytesMax: 256 };
  const line = `1;${'a'.repeat(255)}\r\nx\r\n`;
  const reader = new BodyReader();
  reader.reset('chunked', 0, limits);
  readAll(reader, line.repeat(64));
  assert.equal(statusOf(reader), undefined);
  readAll(reader, '1;');
  assert.equal(statusOf(reader), 413);
  reader.reset('chunked', 0, limits);
  readAll(reader, line);
  assert.equal(statusOf(reader), undefined, 'the next body starts anew');
});

test('body: until close, up to the limit', () => {
  const reader = new BodyReader();
  reader.reset('close', -1, FIVE_AT_MOST);
  assert.equal(readAll(reader, 'abcde'), 'abcde');
  assert.equal(reader.done, false);
  assert.equal(reader.finish(), true);
  assert.equal(reader.done, true);
  reader.reset('close', -1, FIVE_AT_MOST);
  assert.equal(readAll(reader, 'abcdef'), 'abcde');
  assert.equal(reader.refusal?.status, 413);
  assert.equal(reader.finish(), false);
});

test('body: one reader for many bodies, none remembers the one before', () => {
  const reader = new BodyReader();
  assert.equal(reader.done, true);
  reader.reset('chunked', 0, BODY_LIMITS);
  readAll(reader, '5;abc\r\nxy');
  reader.reset('length', 2, BODY_LIMITS);
  assert.equal(readAll(reader, 'abc'), 'ab');
  assert.equal(reader.done, true);
  reader.reset('chunked', 0, BODY_LIMITS);
  readAll(reader, 'z');
  assert.equal(reader.refusal?.status, 400);
  reader.reset('none', 0, BODY_LIMITS);
  assert.deepEqual([reader.done, reader.refusal, reader.finish()], [true, undefined, true]);
  reader.reset('chunked', 0, BODY_LIMITS);
  assert.equal(readAll(reader, `1\r\na\r\n${END}`), 'a');
  assert.equal(reader.done, true);
});

test('body: 42 a hundred thousand chunks of one byte, in one pass over the bytes', () => {
  const count = 100_000;
  const reader = new BodyReader();
  reader.reset('chunked', 0, BODY_LIMITS);
  const bytes = Buffer.from(`1\r\nx\r\n`.repeat(count) + END);
  let calls = 0;
  let position = 0;
  // Ranges only ever go forward: no byte is looked at twice.
  const consumed = reader.read(bytes, 0, bytes.length, {
    take: (_, from, to) => {
      assert(from >= position && to === from + 1);
      position = to;
      calls += 1;
    },
  });
  assert.deepEqual([calls, consumed, reader.done], [count, bytes.length, true]);
});

test('body: a sink that moves payload to the front of the buffer does no harm', () => {
  const reader = new BodyReader();
  reader.reset('chunked', 0, BODY_LIMITS);
  const bytes = Buffer.from(`3\r\nabc\r\n4\r\ndefg\r\n${END}`);
  let kept = 0;
  reader.read(bytes, 0, bytes.length, {
    take: (buffer, from, to) => {
      buffer.copyWithin(kept, from, to);
      kept += to - from;
    },
  });
  assert.equal(reader.done, true);
  assert.equal(bytes.toString('latin1', 0, kept), 'abcdefg');
});

function statusOf(reader: BodyReader): number | undefined {
  return reader.refusal?.status;
}

function readAll(reader: BodyReader, text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  let payload = '';
  reader.read(bytes, 0, bytes.length, {
    take: (buffer, from, to) => {
      payload += buffer.toString('latin1', from, to);
    },
  });
  return payload;
}
