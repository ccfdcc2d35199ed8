// Response heads: rules 57 to 65. Each case runs whole, cut at every byte and byte by byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertOutcome,
  type Expected,
  readResponse,
} from '../../../../test/support/gateway/http1-lab.ts';
import type { Http1Response } from './types.ts';

type Case = readonly [
  name: string,
  input: string,
  expected: Expected<Http1Response>,
  requestMethod?: string,
];

const STATUS_LINES: readonly Case[] = [
  [
    '57 usual',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    { status: 200, reason: 'OK', minor: 1 },
  ],
  ['57 http/1.0', 'HTTP/1.0 404 Not Found\r\n\r\n', { status: 404, minor: 0 }],
  ['57 an empty reason', 'HTTP/1.1 204 \r\n\r\n', { status: 204, reason: '' }],
  ['57 no reason', 'HTTP/1.1 204\r\n\r\n', { status: 204, reason: '' }],
  ['57 a reason with spaces', 'HTTP/1.1 204  a  b \r\n\r\n', { reason: 'a  b' }],
  ['57 a reason with tab and 8-bit bytes', 'HTTP/1.1 204 a\tb\xe9\r\n\r\n', { reason: 'a\tb\xe9' }],
  ['57 the last status', 'HTTP/1.1 599 x\r\n\r\n', { status: 599 }],
  ['57 600', 'HTTP/1.1 600 x\r\n\r\n', 502],
  ['57 000', 'HTTP/1.1 000 x\r\n\r\n', 502],
  ['57 099', 'HTTP/1.1 099 x\r\n\r\n', 502],
  ['57 two digits', 'HTTP/1.1 20 OK\r\n\r\n', 502],
  ['57 four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 502],
  ['57 a sign', 'HTTP/1.1 +20 OK\r\n\r\n', 502],
  ['57 a letter', 'HTTP/1.1 2O0 OK\r\n\r\n', 502],
  ['57 no status', 'HTTP/1.1 OK\r\n\r\n', 502],
  ['57 two spaces', 'HTTP/1.1  200 OK\r\n\r\n', 502],
  ['57 a tab', 'HTTP/1.1\t200 OK\r\n\r\n', 502],
  ['57 a tab behind the status', 'HTTP/1.1 200\tOK\r\n\r\n', 502],
  ['57 1.2', 'HTTP/1.2 200 OK\r\n\r\n', 502],
  ['57 2.0', 'HTTP/2.0 200 OK\r\n\r\n', 502],
  ['57 0.9', 'HTTP/0.9 200 OK\r\n\r\n', 502],
  ['57 1.10', 'HTTP/1.10 200 OK\r\n\r\n', 502],
  ['57 lower case', 'http/1.1 200 OK\r\n\r\n', 502],
  ['57 http/0.9 body', '<html>hello</html>', 502],
  ['57 another protocol', 'ICY 200 OK\r\n\r\n', 502],
  ['57 a space first', ' HTTP/1.1 200 OK\r\n\r\n', 502],
  ['57 an empty line first', '\r\nHTTP/1.1 200 OK\r\n\r\n', 502],
  ['57 nul in the reason', 'HTTP/1.1 200 O\0K\r\n\r\n', 502],
  ['57 cr in the reason', 'HTTP/1.1 200 O\rK\r\n\r\n', 502],
  ['57 del in the reason', 'HTTP/1.1 200 O\x7fK\r\n\r\n', 502],
  ['57 lf behind the reason', 'HTTP/1.1 200 OK\n\r\n', 502],
  ['57 cr cr lf', 'HTTP/1.1 200 OK\r\r\n\r\n', 502],
];

const FIELDS: readonly Case[] = [
  [
    '58 order, repetition, spelling',
    head('b: 1\r\nSet-Cookie: x\r\nA:2\r\nSet-Cookie: y\r\n'),
    {
      fields: 'b: 1\r\nSet-Cookie: x\r\nA: 2\r\nSet-Cookie: y\r\n',
    },
  ],
  ['58 8-bit bytes', head('A: \x80\xff\r\n'), { fields: 'A: \x80\xff\r\n' }],
  [
    '23 names with _ pass, look-alikes of framing do not',
    head('A_B: 1\r\nContent_Length: 5\r\nTransfer.Encoding: chunked\r\n'),
    { fields: 'A_B: 1\r\n' },
  ],
  [
    '58 names that matter in requests alone pass',
    head('Host: h\r\nExpect: x\r\nForwarded: y\r\nX-Forwarded-For: z\r\n'),
    {
      fields: 'Host: h\r\nExpect: x\r\nForwarded: y\r\nX-Forwarded-For: z\r\n',
    },
  ],
  ['58 a space before the colon', head('A : b\r\n'), 502],
  ['58 an empty name', head(': b\r\n'), 502],
  ['58 no colon', head('abc\r\n'), 502],
  ['58 an 8-bit name', head('\xe9: b\r\n'), 502],
  ['58 a folded line', head('A: b\r\n c\r\n'), 502],
  ['58 nul', head('A: b\0\r\n'), 502],
  ['58 a control byte', head('A: b\x1b[2J\r\n'), 502],
  ['58 cr', head('A: b\rc\r\n'), 502],
  ['58 lf', head('A: b\nc: d\r\n'), 502],
  [
    '43 fields of one hop',
    head(
      'Connection: x-a\r\nX-A: 1\r\nKeep-Alive: x\r\nProxy-Connection: y\r\nTE: z\r\nTrailer: A\r\nProxy-Authenticate: q\r\nB: 2\r\n',
    ),
    { fields: 'B: 2\r\n' },
  ],
  [
    '43 upgrade in an ordinary response',
    head('Upgrade: h2c\r\nConnection: upgrade\r\n'),
    { fields: '', upgrade: '' },
  ],
  [
    '44 set-cookie is not nominated away',
    head('Connection: set-cookie\r\nSet-Cookie: a\r\n'),
    { fields: 'Set-Cookie: a\r\n' },
  ],
];

const LENGTHS: readonly Case[] = [
  [
    '59 length',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP',
    { framing: 'length', contentLength: 3, body: 'abc', rest: 'HTTP', fields: '' },
  ],
  [
    '59 identical fields',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
    { contentLength: 3, body: 'abc' },
  ],
  [
    '59 an identical list',
    'HTTP/1.1 200 OK\r\nContent-Length: 3, 3,3\r\n\r\nabc',
    { contentLength: 3, body: 'abc' },
  ],
  [
    '59 leading zeros',
    'HTTP/1.1 200 OK\r\nContent-Length: 003\r\n\r\nabc',
    { contentLength: 3, body: 'abc' },
  ],
  ...[
    '3\r\nContent-Length: 4',
    '3, 4',
    '3, 03',
    '3,',
    ',3',
    '',
    '-1',
    '+3',
    '0x3',
    '3.0',
    '3 3',
    '9007199254740992',
    'abc',
  ].map(
    (value): Case => [
      `59 ${JSON.stringify(value)}`,
      `HTTP/1.1 200 OK\r\nContent-Length: ${value}\r\n\r\nabc`,
      502,
    ],
  ),
  ['59 an invalid length to head', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n', 502, 'HEAD'],
  [
    '60 length and coding',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
    502,
  ],
  [
    '61 chunked',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP',
    { framing: 'chunked', contentLength: -1, body: 'abc', rest: 'HTTP', keepAlive: true },
  ],
  ...[
    'gzip',
    'gzip, chunked',
    'chunked, chunked',
    'chunked\r\nTransfer-Encoding: chunked',
    '',
    'chunked;x',
    '"chunked"',
    'chunked\xa0',
    '\x0bchunked',
    'identity',
  ].map(
    (value): Case => [
      `61 ${JSON.stringify(value)}`,
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: ${value}\r\n\r\n`,
      502,
    ],
  ),
  ['61 http/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 502],
  [
    '62 head',
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP',
    { framing: 'none', contentLength: 9, rest: 'HTTP', keepAlive: true },
    'HEAD',
  ],
  [
    '62 head with chunks',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP',
    { framing: 'none', contentLength: -1, rest: 'HTTP' },
    'HEAD',
  ],
  [
    '62 head without a length',
    'HTTP/1.1 200 OK\r\n\r\nHTTP',
    { framing: 'none', contentLength: -1, rest: 'HTTP', keepAlive: true },
    'HEAD',
  ],
  [
    '62 lower-case head is another method',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
    { framing: 'length', body: 'x' },
    'head',
  ],
  [
    '62 304',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP',
    { framing: 'none', contentLength: 9, rest: 'HTTP', keepAlive: true },
  ],
  [
    '62 304 without a length',
    'HTTP/1.1 304 Not Modified\r\n\r\n',
    { framing: 'none', contentLength: -1, keepAlive: true },
  ],
  [
    '62 204',
    'HTTP/1.1 204 x\r\n\r\nHTTP',
    { framing: 'none', contentLength: -1, rest: 'HTTP', keepAlive: true },
  ],
  [
    '62 204 with a zero',
    'HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n',
    { framing: 'none', contentLength: -1, keepAlive: true },
  ],
  [
    '62 204 that announces a body',
    'HTTP/1.1 204 x\r\nContent-Length: 4\r\n\r\nHTTP',
    { framing: 'none', contentLength: -1, keepAlive: false, rest: 'HTTP' },
  ],
  [
    '62 204 that announces chunks',
    'HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n',
    { framing: 'none', keepAlive: false },
  ],
  [
    '62 100',
    'HTTP/1.1 100 Continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nHTTP',
    { status: 100, framing: 'none', contentLength: -1, rest: 'HTTP', fields: '' },
  ],
  [
    '62 103',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
    { status: 103, fields: 'Link: </a>\r\n' },
  ],
  [
    '62 205 has its own length',
    'HTTP/1.1 205 x\r\nContent-Length: 0\r\n\r\n',
    { framing: 'length' },
  ],
  [
    '63 until close',
    'HTTP/1.1 200 OK\r\n\r\nabc\r\n\r\n',
    { framing: 'close', contentLength: -1, body: 'abc\r\n\r\n', keepAlive: false },
  ],
  [
    '63 until close, keep-alive or not',
    'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nabc',
    { framing: 'close', body: 'abc', keepAlive: false },
  ],
  ['64 a cut body', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab', 'incomplete'],
  [
    '64 cut before the first chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'incomplete',
  ],
  [
    '64 cut inside a chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab',
    'incomplete',
  ],
  [
    '64 cut behind a chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    'incomplete',
  ],
  [
    '64 cut before the final crlf',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n',
    'incomplete',
  ],
  [
    '64 cut inside the final crlf',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r',
    'incomplete',
  ],
];

const CONNECTIONS: readonly Case[] = [
  ['66 close', persistent('HTTP/1.1', 'Connection: close\r\n'), { keepAlive: false }],
  [
    '66 close in a list',
    persistent('HTTP/1.1', 'Connection: keep-alive, CLOSE\r\n'),
    { keepAlive: false },
  ],
  ['66 not a list of tokens', persistent('HTTP/1.1', 'Connection: "x\r\n'), { keepAlive: false }],
  ['66 http/1.0', persistent('HTTP/1.0', ''), { keepAlive: false }],
  [
    '66 http/1.0 with keep-alive',
    persistent('HTTP/1.0', 'Connection: Keep-Alive\r\n'),
    { keepAlive: true },
  ],
  [
    '75 keep-alive',
    persistent('HTTP/1.1', 'Keep-Alive: timeout=5, max=100\r\n'),
    { keepAliveSeconds: 5 },
  ],
  [
    '75 keep-alive, second place',
    persistent('HTTP/1.1', 'Keep-Alive: max=100, timeout=72\r\n'),
    { keepAliveSeconds: 72 },
  ],
  ['75 no timeout', persistent('HTTP/1.1', 'Keep-Alive: max=100\r\n'), { keepAliveSeconds: -1 }],
  ['75 no keep-alive', persistent('HTTP/1.1', ''), { keepAliveSeconds: -1 }],
  [
    '75 an absurd timeout',
    persistent('HTTP/1.1', 'Keep-Alive: timeout=99999999\r\n'),
    { keepAliveSeconds: -1 },
  ],
  [
    '75 a negative timeout',
    persistent('HTTP/1.1', 'Keep-Alive: timeout=-5\r\n'),
    { keepAliveSeconds: -1 },
  ],
  [
    '54 101',
    'HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nA: b\r\n\r\n\x81\x00',
    { status: 101, upgrade: 'websocket', keepAlive: false, fields: 'A: b\r\n', rest: '\x81\x00' },
  ],
  ['54 101 without upgrade', 'HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n', 502],
  [
    '54 101 to h2c',
    'HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
    { upgrade: '' },
  ],
];

/** The limit is 1000 bytes. */
const SIZES: readonly Case[] = [
  ['65 no end', 'HTTP/1.1 200 OK\r\nA: b\r\n', 'incomplete'],
  ['65 nothing', '', 'incomplete'],
  ['65 1000 bytes', padded(1000), { status: 200 }],
  ['65 1001 bytes', padded(1001), 502],
  ['65 1000 bytes without an end', padded(1200).slice(0, 1000), 502],
  ['65 999 bytes without an end', padded(1200).slice(0, 999), 'incomplete'],
];

for (const cases of [STATUS_LINES, FIELDS, LENGTHS, CONNECTIONS, SIZES]) {
  for (const [name, input, expected, requestMethod] of cases) {
    test(`response: ${name}`, () => assertOutcome(readResponse(input, requestMethod), expected));
  }
}

test('response: 13 200 fields, not 201', () => {
  const fields = 'A: b\r\n'.repeat(199);
  assertOutcome(readResponse(head(fields), 'GET', 10_000), { fields });
  const outcome = readResponse(head(`${fields}C: d\r\n`), 'GET', 10_000);
  assert.deepEqual(outcome.refusal, { status: 502, reason: 'too many fields' });
});

/** A response with these lines and no body; Content-Length is one field more. */
function head(lines: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${lines}\r\n`;
}

function persistent(version: string, lines: string): string {
  return `${version} 200 OK\r\n${lines}Content-Length: 0\r\n\r\n`;
}

function padded(bytes: number): string {
  const start = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nPad: ';
  return `${start}${'v'.repeat(bytes - start.length - 4)}\r\n\r\n`;
}
