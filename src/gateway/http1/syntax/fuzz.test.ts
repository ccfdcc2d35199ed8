// Mutated heads and bodies from a seed: whatever comes in, nothing throws, every split agrees, and what
// is accepted goes out in a form that is understood in the same way again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../test/support/base/random.ts';
import { LIMITS, readRequest, readResponse } from '../../../../test/support/gateway/http1-lab.ts';
import { parseRequestHead } from './request-head.ts';
import { parseResponseHead } from './response-head.ts';
import { headEnd, skipEmptyLines } from './scan.ts';
import { requestHeadText, responseFraming, responseHeadText } from './text.ts';
import type { Http1Request, Http1Response } from './types.ts';

const SEED = 20_261_123;

const REQUESTS = [
  'GET /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nUser-Agent: x/1 (y; z)\r\nAccept: */*\r\n\r\n',
  'POST http://a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\nhello',
  'PUT / HTTP/1.1\r\nhost: [::1]\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n',
  'GET / HTTP/1.0\r\nConnection: keep-alive\r\nX-Forwarded-For: 1.2.3.4\r\nX_Y: z\r\nCookie: a=b\r\n\r\n',
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nTE: trailers\r\n\r\n',
  '\r\nOPTIONS * HTTP/1.1\r\nHost:a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n',
];

const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nKeep-Alive: timeout=5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.0 404 Not Found\r\nServer: x\r\nContent-Type: text/html\r\n\r\n<p>',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 9, 9\r\nETag: "x"\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x00',
  'HTTP/1.1 204\r\nX-A:b\r\nConnection: x-a\r\n\r\n',
];

const PIECES = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\0',
    ' ',
    '\t',
    '\x0b',
    '\x0c',
    '\x7f',
    '\xa0',
    '\xff',
    ':',
    ';',
    ',',
  ],
  ...[
    '"',
    '/',
    '#',
    '?',
    '*',
    '@',
    '[',
    ']',
    '_',
    '.',
    '0',
    '5',
    'a',
    'F',
    '-',
    '+',
    '0x5',
    '\r\n a',
  ],
  ...[
    'Host: b\r\n',
    'Content-Length: 5\r\n',
    'Content-Length: 6\r\n',
    'Transfer-Encoding: chunked\r\n',
  ],
  ...[
    'Connection: close\r\n',
    'Upgrade: h2c\r\n',
    'Content_Length: 3\r\n',
    'X.Forwarded.For: 9\r\n',
  ],
  ...[
    'GET / HTTP/1.1\r\n',
    'HTTP/1.1 200 OK\r\n',
    ' HTTP/1.1',
    ' HTTP/1.0',
    'http://a',
    'chunked',
    '0\r\n\r\n',
  ],
];

test('mutated requests: no throw, no leak, the same again', () => {
  const mutate = mutator(REQUESTS);
  let accepted = 0;
  for (let round = 0; round < 60_000; round += 1) {
    const input = mutate();
    const bytes = Buffer.from(input, 'latin1');
    const start = skipEmptyLines(bytes, 0, bytes.length);
    const stop = headEnd(bytes, start, bytes.length);
    if (stop === -1) continue;
    const text = input.slice(start, stop);
    const head = parseRequestHead(text, LIMITS);
    if (head.kind === 'refusal') {
      assert.notEqual(head.reason, 'not exactly one head', JSON.stringify(text));
      assert([400, 405, 414, 417, 431, 501, 505].includes(head.status));
      continue;
    }
    accepted += 1;
    assertSameRequest(head, JSON.stringify(text));
  }
  assert(accepted > 5000, `only ${accepted} were accepted`);
});

test('mutated responses: no throw, no leak, the same again', () => {
  const mutate = mutator(RESPONSES);
  let accepted = 0;
  for (let round = 0; round < 60_000; round += 1) {
    const input = mutate();
    const bytes = Buffer.from(input, 'latin1');
    const stop = headEnd(bytes, 0, bytes.length);
    if (stop === -1) continue;
    const text = input.slice(0, stop);
    const head = parseResponseHead(text, 'GET', 1000);
    if (head.kind === 'refusal') {
      assert.notEqual(head.reason, 'not exactly one head', JSON.stringify(text));
      assert.equal(head.status, 502);
      continue;
    }
    accepted += 1;
    if (head.status >= 200) assertSameResponse(head, JSON.stringify(text));
  }
  assert(accepted > 5000, `only ${accepted} were accepted`);
});

test('mutated messages: every split of head and body agrees', () => {
  const request = mutator(REQUESTS);
  const response = mutator(RESPONSES);
  let complete = 0;
  for (let round = 0; round < 1500; round += 1) {
    if (readRequest(request()).isComplete) complete += 1;
    if (readResponse(response()).isComplete) complete += 1;
  }
  assert(complete > 300, `only ${complete} were complete`);
});

function assertSameRequest(head: Http1Request, input: string): void {
  const text = requestHeadText(head, '', head.framing);
  assertClean(text, head.framing === 'none' ? 0 : 1, input);
  const again = parseRequestHead(text, { ...LIMITS, headBytesMax: 2000 });
  assert.deepEqual(
    again,
    {
      ...head,
      // What is sent to a server is in origin form, and of version 1.1.
      rawTarget: head.target,
      protocol: 'HTTP/1.1',
      minor: 1,
      keepAlive: true,
      forwardedFor: '',
      forwardedProto: '',
      forwardedHost: '',
      upgrade: '',
    },
    input,
  );
}

function assertSameResponse(head: Http1Response, input: string): void {
  const framing = responseFraming(head.framing, 1);
  const text = responseHeadText(head, {
    requestMethod: 'GET',
    clientMinor: 1,
    framing,
    keepAlive: true,
  });
  const lengths = framing !== 'none' || (head.status === 304 && head.contentLength >= 0) ? 1 : 0;
  assertClean(text, lengths, input);
  const again = parseResponseHead(text, 'GET', 2000);
  const expected = {
    ...head,
    minor: 1,
    framing,
    keepAlive: true,
    keepAliveSeconds: -1,
    upgrade: '',
  };
  assert.deepEqual(again, expected, input);
}

/** Judged without this module's own grammar. */
function assertClean(text: string, framingFields: number, input: string): void {
  assert(text.endsWith('\r\n\r\n'), input);
  const lines = text.slice(0, -4).split('\r\n');
  for (const line of lines) assert.doesNotMatch(line, /[\0-\x08\n-\x1f\x7f]/, input);
  const names = lines.slice(1).map((line) => {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): (?![ \t])/.exec(line);
    assert(match?.[1] !== undefined, input);
    assert.doesNotMatch(line.slice(match[0].length), /[ \t]$/, input);
    return match[1].toLowerCase();
  });
  const framing = names.filter((name) =>
    /^(content|transfer)[^a-z0-9](length|encoding)$/.test(name),
  );
  assert.equal(framing.length, framingFields, input);
  for (const name of names) {
    assert.doesNotMatch(name, /^(connection|upgrade|te|trailer|keep-alive|proxy-.*)$/, input);
  }
}

/** A source of damaged copies of `originals`; half of them keep the shape of a head. */
function mutator(originals: readonly string[]): () => string {
  const random = seededRandom(SEED);
  const below = (count: number): number => Math.floor(random() * count);
  const any = (list: readonly string[]): string => list[below(list.length)] ?? '';
  return () => {
    let text = any(originals);
    for (let left = 1 + below(3); left > 0; left -= 1) {
      const at = below(text.length + 1);
      const to = Math.min(text.length, at + below(4));
      switch (below(6)) {
        case 0:
          text = text.slice(0, at) + text.slice(to);
          break;
        case 1:
          text = text.slice(0, at) + any(PIECES) + text.slice(to);
          break;
        case 2:
          text = text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
          break;
        case 3: {
          // A whole line more, at the start of a line.
          const line = text.indexOf('\r\n', at) + 2;
          text = text.slice(0, line) + any(PIECES) + text.slice(line);
          break;
        }
        case 4: {
          // The other letter case.
          const code = text.charCodeAt(at);
          text = text.slice(0, at) + String.fromCharCode(code ^ 0x20 || 0) + text.slice(at + 1);
          break;
        }
        default: {
          const other = any(originals);
          const line = text.indexOf('\r\n', at) + 2;
          const otherLine = other.indexOf('\r\n', below(other.length)) + 2;
          text = text.slice(0, line) + other.slice(otherLine);
        }
      }
    }
    return text;
  };
}
