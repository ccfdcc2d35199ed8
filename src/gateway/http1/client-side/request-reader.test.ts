// One after the other, requests of different clients go through one reader: nothing of a client reaches the next.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayConfig } from '../../../../test/support/gateway/builders.ts';
import { http1Settings } from '../context.ts';
import { type RequestReader, RequestReaders } from './request-reader.ts';

const SETTINGS = http1Settings(gatewayConfig({}));

test('a reader of a whole request is lent again, and holds on to nothing of it', () => {
  for (const cut of [5, 60, 70]) {
    const readers = new RequestReaders();
    const first = readers.lend(SETTINGS);
    const text =
      'POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n';
    assert.deepEqual(readAll(first, [text.slice(0, cut), text.slice(cut)]), ['/first', 'one']);
    assert.equal(first.isDone, true);
    readers.takeBack(first);
    assert.equal(first.buffer.length, 0);

    const second = readers.lend(SETTINGS);
    assert.equal(second, first);
    assert.equal(second.isInHead, false);
    assert.deepEqual(readAll(second, ['GET /second HTTP/1.1\r\nHost: b\r\n\r\n']), ['/second', '']);
  }
});

test('clients that are in the middle of their requests have a reader each', () => {
  const readers = new RequestReaders();
  readers.takeBack(readers.lend(SETTINGS));
  assert.notEqual(readers.lend(SETTINGS), readers.lend(SETTINGS));
});

test('a request is read by the limits of its time', () => {
  const readers = new RequestReaders();
  readers.takeBack(readers.lend(SETTINGS));
  const { requestLimits } = SETTINGS;
  const small = { ...requestLimits, head: { ...requestLimits.head, headBytesMax: 20 } };
  const head = Buffer.from('GET /long HTTP/1.1\r\nHost: a\r\n\r\n');
  const reader = readers.lend({ requestLimits: small });
  assert.equal(reader.readHead(head, 0, head.length)?.kind, 'refusal');
});

/** Target and body. */
function readAll(reader: RequestReader, pieces: readonly string[]): [string, string] {
  let target = '';
  let body = '';
  for (const piece of pieces) {
    const bytes = Buffer.from(piece);
    if (target === '') {
      const head = reader.readHead(bytes, 0, bytes.length);
      if (head === undefined) continue;
      if (head.kind === 'refusal') throw new Error(head.reason);
      target = head.target;
      assert.equal(reader.beginBody(head), undefined);
    } else assert.equal(reader.readBody(bytes, 0, bytes.length, 0), undefined);
    body += reader.buffer.toString('latin1', reader.payload.start, reader.payload.end);
  }
  return [target, body];
}
