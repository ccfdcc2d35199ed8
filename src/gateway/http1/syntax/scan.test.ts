// The beginning and the end of a head in a stream, early refusals, and the cost of hostile input.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../../../../test/support/base/random.ts';
import { LIMITS } from '../../../../test/support/gateway/http1-lab.ts';
import { parseRequestHead } from './request-head.ts';
import { parseResponseHead } from './response-head.ts';
import {
  HeadScan,
  headEnd,
  refusePartialRequest,
  refusePartialResponse,
  skipEmptyLines,
} from './scan.ts';

test('headEnd finds the first empty line at every offset, and what a search would find', () => {
  const random = seededRandom(1);
  const signs = ['\r', '\n', '\r\n', 'a', 'bc', '\r\n\r\n'];
  for (let round = 0; round < 20_000; round += 1) {
    let text = '';
    const length = 1 + Math.floor(random() * 12);
    while (text.length < length) text += signs[Math.floor(random() * signs.length)] ?? '';
    const start = Math.floor(random() * 4);
    const end = text.length - Math.floor(random() * 3);
    const found = text.slice(0, Math.max(0, end)).indexOf('\r\n\r\n', start);
    const expected = found === -1 ? -1 : found + 4;
    assert.equal(
      headEnd(Buffer.from(text), start, end),
      expected,
      JSON.stringify({ text, start, end }),
    );
  }
});

test('skipEmptyLines skips up to eight, or as many as it is told', () => {
  const bytes = Buffer.from('\r\n'.repeat(10));
  assert.equal(skipEmptyLines(bytes, 0, bytes.length), 16);
  assert.equal(skipEmptyLines(bytes, 2, bytes.length), 18);
  assert.equal(skipEmptyLines(bytes, 0, 5), 4);
  assert.equal(skipEmptyLines(bytes, 0, bytes.length, 3), 6);
  assert.equal(skipEmptyLines(bytes, 0, bytes.length, 0), 0);
  assert.equal(skipEmptyLines(Buffer.from('\n\r\n'), 0, 3), 0);
});

/** The shortest text that can only become this refusal; one byte less may still become a head. */
const EARLY: readonly (readonly [text: string, status: number])[] = [
  ['\x16', 400],
  ['\0', 400],
  ['\n', 400],
  ['\r\n', 400],
  ['\rG', 400],
  ['G{', 400],
  ['M'.repeat(33), 400],
  ['GET  ', 400],
  ['GET a ', 400],
  ['GET * ', 400],
  ['PRI * ', 400],
  ['GET /\r', 400],
  ['GET /#', 400],
  ['GET /\x80', 400],
  [`GET /${'a'.repeat(200)}`, 414],
  ['GET / h', 400],
  ['GET / HTTP/1.10', 400],
  ['GET / HTTP/2.0\r\n', 505],
  ['GET / HTTP/1.1\n', 400],
  ['GET / HTTP/1.1\r\r', 400],
  ['GET / HTTP/1.1\r\n ', 400],
  ['GET / HTTP/1.1\r\n:', 400],
  ['GET / HTTP/1.1\r\nA ', 400],
  ['GET / HTTP/1.1\r\nA\r', 400],
  ['GET / HTTP/1.1\r\nA: b\0', 400],
  ['GET / HTTP/1.1\r\nA: b\n', 400],
  ['GET / HTTP/1.1\r\nA: b\r\n\t', 400],
  [`GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(10)}C`, 431],
  [`GET / HTTP/1.1\r\nA:${' '.repeat(982)}`, 431],
];

for (const [text, status] of EARLY) {
  test(`refusePartialRequest refuses ${JSON.stringify(text.slice(0, 40))} at its last byte`, () => {
    assert.equal(refusePartialRequest(text.slice(0, -1), LIMITS), undefined);
    assert.equal(refusePartialRequest(text, LIMITS)?.status, status);
  });
}

const EARLY_RESPONSES = [
  'h',
  '\r',
  'HTTP/2',
  'HTTP/1.2',
  'HTTP/1.1 6',
  'HTTP/1.1 2000',
  'HTTP/1.1 200 \0',
];

for (const text of EARLY_RESPONSES) {
  test(`refusePartialResponse refuses ${JSON.stringify(text)} at its last byte`, () => {
    assert.equal(refusePartialResponse(text.slice(0, -1), 1000), undefined);
    assert.equal(refusePartialResponse(text, 1000)?.status, 502);
  });
}

test('a scan that goes on looks at each byte once', () => {
  const scan = new HeadScan();
  const head = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  for (let length = 1; length < head.length; length += 1) {
    // What was read is blanked: a second look at it would refuse it.
    const seen = '\0'.repeat(length - 1);
    const isInFirstLine = length <= head.indexOf('\r\n') + 2;
    const text = isInFirstLine ? head.slice(0, length) : seen + head.charAt(length - 1);
    assert.equal(scan.request(text, LIMITS), undefined);
  }
  assert.equal(scan.request(head, LIMITS), undefined);
  scan.reset();
  assert.equal(scan.request('\0', LIMITS)?.status, 400);
  assert.equal(scan.request('GET', LIMITS)?.status, 400);
});

const MEGABYTE = 1_048_576;
const WIDE = {
  uriBytesMax: 2 * MEGABYTE,
  headBytesMax: 3 * MEGABYTE,
  fieldsMax: MEGABYTE,
  underscoresInHeaders: true,
  allowTrace: false,
};

/** A megabyte of what makes careless expressions and loops quadratic, in fields. */
const HOSTILE_FIELDS: Readonly<Record<string, string>> = {
  'a name': fill('A'),
  'names without values': fill('A:\r\n'),
  'short fields': fill('A: b\r\n'),
  'rewritten fields': fill('a_b:c \r\n'),
  'spaces for a value': `A:${fill(' ')}`,
  'spaces around a value': `A:${fill(' ')}x${fill(' ')}`,
  'tabs and letters': `A: ${fill('x\t')}`,
  'commas in connection': `Connection: ${fill(',')}`,
  'tokens in connection': `Connection: ${fill('ab,')}`,
  'nominated fields': `Connection: a, b, c\r\n${fill('A: b\r\n')}`,
  'connection fields': fill('Connection: a\r\n'),
  'spaces in connection': `Connection: ${fill('a ')}`,
  'upgrade fields': `Connection: upgrade\r\n${fill('Upgrade: a/b\r\n')}`,
  'a list of protocols': `Connection: upgrade\r\nUpgrade: ${fill('a/b,')}`,
  'slashes in upgrade': `Connection: upgrade\r\nUpgrade: ${fill('a/')}`,
  'zeros for a length': `Content-Length: ${fill('0')}`,
  'lengths in a list': `Content-Length: ${fill('0,')}0`,
  'length fields': fill('Content-Length: 0\r\n'),
  'codings in a list': `Transfer-Encoding: ${fill('chunked,')}`,
  'coding fields': fill('Transfer-Encoding: chunked\r\n'),
  expectations: fill('Expect: 100-continue\r\n'),
  'forwarded-for fields': fill('X-Forwarded-For: a\r\n'),
  'keep-alive': `Keep-Alive: ${fill('timeout')}`,
  'host fields': fill('Host: a\r\n'),
  'dots in host': `Host: ${fill('a.')}`,
  'percents in host': `Host: ${fill('%41')}%`,
  'colons in host': `Host: [${fill(':')}]`,
};

const HOSTILE_LINES: Readonly<Record<string, string>> = {
  'a method': fill('M'),
  'a target': `GET /${fill('a')}`,
  'an authority': `GET http://${fill('a%41.')}`,
  slashes: `GET ${fill('http://')}`,
  spaces: `GET / ${fill(' ')}`,
  'a reason': `HTTP/1.1 200 ${fill('x ')}`,
};

/** Quadratic work on one such megabyte takes a quarter of an hour, linear work some milliseconds. */
const TIMEOUT_MS = 300_000;

test('a megabyte of hostile input costs linear time, whole and cut off', () => {
  const texts = Object.values(HOSTILE_LINES);
  for (const fields of Object.values(HOSTILE_FIELDS)) {
    texts.push(`GET / HTTP/1.1\r\nHost: a\r\n${fields}`, `HTTP/1.1 200 OK\r\n${fields}`);
  }
  const run = (): number => {
    let heads = 0;
    for (const text of texts) {
      for (const end of ['\r\n\r\n', '\r\n', '\0\r\n\r\n', '']) {
        const request = parseRequestHead(text + end, WIDE);
        const response = parseResponseHead(text + end, 'GET', WIDE.headBytesMax);
        refusePartialRequest(text + end, WIDE);
        if (request.kind === 'request' || response.kind === 'response') heads += 1;
      }
    }
    return heads;
  };
  // The time limit reaches into a running expression, so that a failure is a failure, not a hang.
  const heads: unknown = runInNewContext('run()', { run }, { timeout: TIMEOUT_MS });
  assert(typeof heads === 'number' && heads > 20, String(heads));
});

function fill(piece: string): string {
  return piece.repeat(Math.floor(MEGABYTE / piece.length));
}
