// The same answers whole and split at every byte; what servers on real sockets make of it is in
// release/probe.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerReader } from './answer.ts';

const ANSWERS: readonly (readonly [text: string, read: string])[] = [
  ['HTTP/1.1 200 OK\r\nA: b\r\na:  c \r\nContent-Length: 2\r\n\r\nokmore', '200 ok a=b, c'],
  ['HTTP/1.1 100 X\r\na: x\r\n\r\nHTTP/1.1 103 X\r\n\r\nHTTP/1.1 204 X\r\n\r\n', '204  '],
  ['HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n', '101  '],
  [
    'HTTP/1.1 503 X\r\ntransfer-encoding: Chunked\r\n\r\n1 ;x="\r\na\r\n02\r\nbc\r\n0\r\nt: u\r\n\r\n',
    '503 abc ',
  ],
  ['HTTP/1.0 404\r\n\r\nnot here', '404 not here '],
  ['HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\nyes', '200 yes '],
  ['HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', '200  '],
];

for (const [text, read] of ANSWERS) {
  test(`reads ${JSON.stringify(text)} split anywhere`, () => {
    for (let at = 0; at <= text.length; at += 1) {
      const reader = new AnswerReader();
      reader.push(text.slice(0, at));
      reader.push(text.slice(at));
      if (!reader.isOver) reader.end();
      assert.equal(reader.broken, '');
      assert.ok(reader.isOver);
      assert.equal(`${reader.status} ${reader.body} ${fieldOf(reader, 'a')}`, read);
    }
  });
}

test('keeps little of a long body, and reads no more than the bound', () => {
  const reader = new AnswerReader();
  reader.push(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(1000)}`);
  assert.ok(reader.body.length < 1000);
  assert.equal(reader.isOver, false);
  reader.push('x'.repeat(65_536));
  assert.equal(reader.isOver, true);
});

test('bounds the interim heads together', () => {
  const reader = new AnswerReader();
  for (let count = 0; count < 5000 && !reader.isOver; count += 1)
    reader.push('HTTP/1.1 100 X\r\n\r\n');
  assert.match(reader.broken, /a head over 65536 bytes/);
});

function fieldOf(reader: AnswerReader, name: string): string {
  const value = reader.fields.get(name);
  return value === undefined ? '' : `${name}=${value}`;
}
