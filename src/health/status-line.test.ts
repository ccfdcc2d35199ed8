// Status lines, good and hostile, as a table; and one split at every byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStatusLine, STATUS_LINE_BYTES_MAX } from './status-line.ts';

const CASES: readonly (readonly [text: string, expected: number | 'more' | 'malformed'])[] = [
  ['', 'more'],
  ['H', 'more'],
  ['HTTP/1.1 200 OK', 'more'],
  ['HTTP/1.1 200 OK\r', 'more'],
  ['HTTP/1.1 200 OK\r\n', 200],
  ['HTTP/1.0 200 OK\n', 200],
  ['HTTP/1.1 200\r\n', 200],
  ['HTTP/1.1 200 \r\n', 200],
  ['HTTP/1.1 503 Service Unavailable\r\nContent-Le', 503],
  ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 100],
  ['HTTP/1.1 599 \xe9\r\n', 599],
  ['HTTP/1.1 200 a\rb\r\n', 'malformed'],
  ['HTTP/1.1 600 no\r\n', 'malformed'],
  ['HTTP/1.1 099 no\r\n', 'malformed'],
  ['HTTP/1.1 20 no\r\n', 'malformed'],
  ['HTTP/1.1 2000 no\r\n', 'malformed'],
  ['HTTP/1.1  200 OK\r\n', 'malformed'],
  ['HTTP/1.1\t200 OK\r\n', 'malformed'],
  ['HTTP/2.0 200 OK\r\n', 'malformed'],
  ['http/1.1 200 OK\r\n', 'malformed'],
  ['\r\nHTTP/1.1 200 OK\r\n', 'malformed'],
  ['SSH-2.0-OpenSSH_9.2\r\n', 'malformed'],
  ['\x16\x03\x01\x02\x00', 'malformed'],
  ['<html>', 'malformed'],
  ['HTTP/1.1 200 '.padEnd(STATUS_LINE_BYTES_MAX - 1, 'x'), 'more'],
  ['HTTP/1.1 200 '.padEnd(STATUS_LINE_BYTES_MAX, 'x'), 'malformed'],
  [`${'HTTP/1.1 200 '.padEnd(STATUS_LINE_BYTES_MAX, 'x')}\n`, 'malformed'],
];

for (const [text, expected] of CASES) {
  const shown = text.length > 60 ? `${JSON.stringify(text.slice(0, 20))} (${text.length})` : text;
  test(`${JSON.stringify(shown)} reads as ${expected}`, () => {
    const line = readStatusLine(text);
    assert.equal(line.kind === 'status' ? line.status : line.kind, expected);
  });
}

test('every beginning of a good answer is undecided up to its first line end', () => {
  const text = 'HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n';
  const end = text.indexOf('\n');
  for (let length = 0; length <= end; length += 1) {
    assert.equal(readStatusLine(text.slice(0, length)).kind, 'more', `after ${length} bytes`);
  }
  assert.equal(readStatusLine(text.slice(0, end + 1)).kind, 'status');
});
