// Message length, hop-by-hop fields, Expect and Upgrade of requests: rules 25 to 33, 43 to 51 and 68.
// Each case runs whole, cut at every byte and byte by byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertOutcome,
  type Expected,
  post,
  readRequest,
} from '../../../../test/support/gateway/http1-lab.ts';
import type { Http1Request } from './types.ts';

/** The field lines of a post(): see test/support/gateway/http1-lab.ts. */
type Case = readonly [name: string, lines: string, expected: Expected<Http1Request>];

const LENGTHS: readonly Case[] = [
  ['25 cl and te', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 400],
  ['25 te and cl', 'Transfer-Encoding: chunked\r\nContent-Length: 0\r\n', 400],
  ['25 cl and an unknown te', 'Content-Length: 5\r\nTransfer-Encoding: xyz\r\n', 400],
  [
    '26 chunked',
    'Transfer-Encoding: chunked\r\n|3\r\nabc\r\n0\r\n\r\n',
    { framing: 'chunked', body: 'abc' },
  ],
  [
    '26 CHUNKED',
    'TRANSFER-ENCODING:\tCHUNKED \r\n|0\r\n\r\n',
    { framing: 'chunked', contentLength: 0 },
  ],
  ['26 an unknown coding', 'Transfer-Encoding: xyz\r\n', 501],
  ['26 xchunked', 'Transfer-Encoding: xchunked\r\n', 501],
  ['26 gzip', 'Transfer-Encoding: gzip\r\n', 501],
  ['26 identity', 'Transfer-Encoding: identity\r\n', 501],
  ['26 gzip, chunked', 'Transfer-Encoding: gzip, chunked\r\n', 501],
  ['26 chunked, gzip', 'Transfer-Encoding: chunked, gzip\r\n', 400],
  ['26 chunked, identity', 'Transfer-Encoding: chunked, identity\r\n', 400],
  ['27 chunked, chunked', 'Transfer-Encoding: chunked, chunked\r\n', 400],
  ['27 two fields', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', 400],
  ['27 two fields, one unknown', 'Transfer-Encoding: xyz\r\nTransfer-Encoding: chunked\r\n', 400],
  ['27 a parameter', 'Transfer-Encoding: chunked;q=1\r\n', 400],
  ['27 quotes', 'Transfer-Encoding: "chunked"\r\n', 400],
  ['27 a comma first', 'Transfer-Encoding: ,chunked\r\n', 400],
  ['27 a comma last', 'Transfer-Encoding: chunked,\r\n', 400],
  ['27 empty', 'Transfer-Encoding:\r\n', 400],
  ['27 a comma', 'Transfer-Encoding: ,\r\n', 400],
  ...['\x0b', '\x0c', '\0', '\x1f'].flatMap((sign): Case[] => [
    [`27 ${JSON.stringify(sign)} before`, `Transfer-Encoding: ${sign}chunked\r\n`, 400],
    [`27 ${JSON.stringify(sign)} behind`, `Transfer-Encoding: chunked${sign}\r\n`, 400],
  ]),
  ...['\xa0', '\x85', '\xef\xbb\xbf', 'chun\xe2\x84\xaaed', '\xc2\xa0'].flatMap((sign): Case[] => [
    [`27 ${inHex(sign)} before`, `Transfer-Encoding: ${sign}chunked\r\n`, 400],
    [`27 ${inHex(sign)} behind`, `Transfer-Encoding: chunked${sign}\r\n`, 400],
    [`27 ${inHex(sign)} instead`, `Transfer-Encoding: ${sign}\r\n`, 400],
  ]),
  [
    '29 a number',
    'Content-Length: 3\r\n|abcGET',
    { framing: 'length', contentLength: 3, body: 'abc', rest: 'GET' },
  ],
  ['29 zero', 'Content-Length: 0\r\n|GET', { framing: 'length', contentLength: 0, rest: 'GET' }],
  ['29 in lower case', 'content-length:1\r\n|x', { contentLength: 1, body: 'x' }],
  ['29 a body that is cut', 'Content-Length: 3\r\n|ab', 'incomplete'],
  ['29 2^53-1', 'Content-Length: 9007199254740991\r\n', 'incomplete'],
  ['29 2^53', 'Content-Length: 9007199254740992\r\n', 400],
  ['29 2^64', 'Content-Length: 18446744073709551616\r\n', 400],
  ['29 2^64+5', 'Content-Length: 18446744073709551621\r\n', 400],
  ['29 500 digits', `Content-Length: ${'9'.repeat(500)}\r\n`, 400],
  ...[
    '+5',
    '-5',
    '-0',
    '0x5',
    '5.0',
    '5e0',
    '"5"',
    '5_0',
    '5n',
    '',
    '5,',
    ',5',
    '5 5',
    '5\xa0',
    '\xb2',
    '5a',
    'NaN',
    'Infinity',
    '5;',
    "5'",
    '\xd9\xa5',
    '\xef\xbc\x95',
  ].map((value): Case => [`29 ${JSON.stringify(value)}`, `Content-Length: ${value}\r\n`, 400]),
  ['29 nul behind it', 'Content-Length: 5\0\r\n', 400],
  ['30 differing', 'Content-Length: 5\r\nContent-Length: 6\r\n', 400],
  ['30 identical', 'Content-Length: 5\r\ncontent-length: 5\r\n', 400],
  ['30 an identical list', 'Content-Length: 5, 5\r\n', 400],
  ['30 a differing list', 'Content-Length: 5, 6\r\n', 400],
  ['30 one of two is empty', 'Content-Length:\r\nContent-Length: 5\r\n', 400],
  [
    '31 leading zeros are decimal',
    'Content-Length: 0010\r\n|0123456789',
    { contentLength: 10, body: '0123456789' },
  ],
  ['31 many zeros', `Content-Length: ${'0'.repeat(100)}1\r\n|x`, { contentLength: 1, body: 'x' }],
  ['14 content-length with a letter of another alphabet', 'Content-Length\xa0: 5\r\n', 400],
];

const HOP_BY_HOP: readonly Case[] = [
  [
    '43 fields of one hop',
    'Keep-Alive: 5\r\nProxy-Connection: close\r\nTE: trailers\r\nTrailer: A\r\nHTTP2-Settings: x\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\nA: b\r\n',
    { fields: 'A: b\r\n', keepAlive: true },
  ],
  ['43 te with trailers', 'te: trailers\r\n', { fields: '' }],
  [
    '43 a nominated field',
    'Connection: X-A, close\r\nx-a: 1\r\nX-AB: 2\r\nX-A: 3\r\n',
    { fields: 'X-AB: 2\r\n', keepAlive: false },
  ],
  [
    '43 nominated behind the field',
    'X-A: 1\r\nB: 2\r\nConnection: x-a\r\n',
    { fields: 'B: 2\r\n' },
  ],
  [
    '43 nominated in two lines',
    'Connection: a\r\nConnection: b\r\nA: 1\r\nB: 2\r\nC: 3\r\n',
    { fields: 'C: 3\r\n' },
  ],
  [
    '43 empty list elements',
    'Connection: , a ,,\tb,\r\nA: 1\r\nB: 2\r\nC: 3\r\n',
    { fields: 'C: 3\r\n' },
  ],
  ['43 not a token', 'Connection: a b\r\n', 400],
  ['43 a quoted token', 'Connection: "close"\r\n', 400],
  ['43 an empty list', 'Connection:\r\n', { keepAlive: true }],
  [
    '44 what may not be nominated',
    'Connection: host, Content-Length, authorization, COOKIE, transfer-encoding\r\nContent-Length: 1\r\nAuthorization: x\r\nCookie: y\r\n|z',
    {
      host: 'a',
      authority: 'a',
      contentLength: 1,
      body: 'z',
      fields: 'Authorization: x\r\nCookie: y\r\n',
    },
  ],
  [
    '44 transfer-encoding is not nominated away',
    'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n|0\r\n\r\n',
    { framing: 'chunked' },
  ],
  [
    '44 x-forwarded-for is not nominated away',
    'Connection: X-Forwarded-For\r\nX-Forwarded-For: 1\r\n',
    { forwardedFor: '1', fields: '' },
  ],
  [
    '45 the client’s forwarding fields',
    'X-Forwarded-For: 1, 2\r\nx-forwarded-for:3\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\nX-FORWARDED-PORT: 1\r\nX-Real-IP: 4\r\nForwarded: for=5\r\nA: b\r\n',
    { fields: 'A: b\r\n', forwardedFor: '1, 2, 3', forwardedProto: 'https', forwardedHost: 'h' },
  ],
  [
    '45 x-forwarded-anything',
    'X-Forwarded-Server: 1\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-: 1\r\n',
    { fields: '' },
  ],
  [
    '45 an empty x-forwarded-for',
    'X-Forwarded-For:\r\nX-Forwarded-For: 1\r\n',
    { forwardedFor: '1' },
  ],
  [
    '46 via and max-forwards pass',
    'Via: 1.1 x\r\nMax-Forwards: 3\r\n',
    { fields: 'Via: 1.1 x\r\nMax-Forwards: 3\r\n' },
  ],
];

const EXPECT_AND_UPGRADE: readonly Case[] = [
  ['47 an unknown expectation', 'Expect: 200-ok\r\n', 417],
  ['47 two expectations', 'Expect: 100-continue, x\r\n', 417],
  ['47 two fields, the second unknown', 'Expect: 100-continue\r\nExpect: x\r\n', 417],
  ['47 two fields, the first unknown', 'Expect: x\r\nExpect: 100-continue\r\n', 417],
  ['47 an empty expectation', 'Expect:\r\n', 417],
  [
    '48 100-continue',
    'Expect: 100-Continue\r\nContent-Length: 1\r\n|x',
    { expectContinue: true, body: 'x', fields: '' },
  ],
  ['48 without a body', 'Expect: 100-continue\r\n', { expectContinue: false, fields: '' }],
  [
    '51 websocket',
    'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n',
    { upgrade: 'websocket', keepAlive: true, fields: 'Sec-WebSocket-Key: x\r\n' },
  ],
  ['51 not nominated', 'Upgrade: websocket\r\n', { upgrade: '', fields: '' }],
  ['51 nominated, not there', 'Connection: upgrade\r\n', { upgrade: '' }],
  ['51 a list', 'Connection: upgrade\r\nUpgrade: a/1.0, B\r\n', { upgrade: 'a/1.0, b' }],
  [
    '51 with a body',
    'Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n|x',
    { upgrade: '', body: 'x' },
  ],
  [
    '51 with chunks',
    'Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n|0\r\n\r\n',
    { upgrade: '' },
  ],
  [
    '51 with an empty body',
    'Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n',
    { upgrade: 'websocket' },
  ],
  ['51 not valid', 'Connection: upgrade\r\nUpgrade: web socket\r\n', { upgrade: '' }],
  ...[
    'h2c',
    'H2C',
    'h2c/1',
    'websocket, h2c',
    'h2c, websocket',
    'HTTP/2.0',
    'h2',
    'websocket\r\nUpgrade: h2c',
  ].map(
    (value): Case => [
      `51 ${JSON.stringify(value)}`,
      `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${value}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n`,
      { upgrade: '', fields: '' },
    ],
  ),
  ['68 close', 'Connection: close\r\n', { keepAlive: false, fields: '' }],
  ['68 CLOSE', 'CONNECTION: CLOSE\r\n', { keepAlive: false }],
  ['68 close wins', 'Connection: keep-alive\r\nConnection: close\r\n', { keepAlive: false }],
  ['68 closed is not close', 'Connection: closed\r\n', { keepAlive: true }],
];

for (const cases of [LENGTHS, HOP_BY_HOP, EXPECT_AND_UPGRADE]) {
  for (const [name, lines, expected] of cases) {
    test(`request: ${name}`, () => assertOutcome(readRequest(post(lines)), expected));
  }
}

const WHOLE: readonly Case[] = [
  ['24 no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['24 two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  ['24 two identical hosts', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n', 400],
  ['24 two hosts, one empty', 'GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n', 400],
  ['24 http/1.0 with two hosts', 'GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n', 400],
  ['24 host_ is not host', 'GET / HTTP/1.1\r\nHost_: a\r\n\r\n', 400],
  ['17 a space before the first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400],
  ['28 http/1.0 with te', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  [
    '32 post without a length',
    'POST / HTTP/1.1\r\nHost: a\r\n\r\nGET',
    { framing: 'none', contentLength: 0, rest: 'GET' },
  ],
  [
    '32 http/1.0 post without a length',
    'POST / HTTP/1.0\r\n\r\nabc',
    { framing: 'none', rest: 'abc' },
  ],
  [
    '33 get with a body',
    'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx',
    { framing: 'length', body: 'x' },
  ],
  [
    '33 delete with chunks',
    'DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    { framing: 'chunked', body: 'x' },
  ],
  [
    '48 http/1.0 does not know 100',
    'POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx',
    { expectContinue: false, body: 'x' },
  ],
  [
    '51 http/1.0 has no upgrade',
    'GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    { upgrade: '' },
  ],
  ['68 http/1.0', 'GET / HTTP/1.0\r\n\r\n', { keepAlive: false }],
  [
    '68 http/1.0 with keep-alive',
    'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n',
    { keepAlive: true },
  ],
  [
    '68 http/1.0 with both',
    'GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n',
    { keepAlive: false },
  ],
  [
    '69 pipelined',
    'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n',
    { target: '/1', rest: 'GET /2 HTTP/1.1\r\n' },
  ],
];

for (const [name, input, expected] of WHOLE) {
  test(`request: ${name}`, () => assertOutcome(readRequest(input), expected));
}

test('request: a refusal says what was wrong, not what was sent', () => {
  const outcome = readRequest('GET / HTTP/1.1\r\nHost: a\r\nHost: secret\r\n\r\n');
  assert.deepEqual(outcome.refusal, { status: 400, reason: 'more than one host field' });
});

function inHex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}
