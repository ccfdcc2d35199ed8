// What leaves the gateway: own version, own Connection, one framing field at most.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../../../test/support/gateway/http1-lab.ts';
import { isIdempotent } from '../../message.ts';
import { parseRequestHead } from './request-head.ts';
import { parseResponseHead } from './response-head.ts';
import {
  chunkHead,
  interimHeadText,
  LAST_CHUNK,
  ownResponseText,
  refusalText,
  requestHeadText,
  responseFraming,
  responseHeadText,
} from './text.ts';
import type { Http1Request, Http1Response } from './types.ts';

test('a request gets our version, its Host first, and the gateway’s own lines last', () => {
  const head = request(
    'GET http://A:81/b?c HTTP/1.0\r\nConnection: x\r\nX: 1\r\nB:2 \r\nX-Forwarded-For: 9\r\n\r\n',
  );
  assert.equal(
    requestHeadText(head, 'X-Forwarded-For: 1.2.3.4\r\n', 'none'),
    'GET /b?c HTTP/1.1\r\nHost: A:81\r\nB: 2\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n',
  );
});

test('a request has the framing field that it is told, and the number is canonical', () => {
  const head = request('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n');
  const start = 'PUT / HTTP/1.1\r\nHost: a\r\n';
  assert.equal(requestHeadText(head, '', 'length'), `${start}Content-Length: 7\r\n\r\n`);
  assert.equal(requestHeadText(head, '', 'chunked'), `${start}Transfer-Encoding: chunked\r\n\r\n`);
  assert.equal(requestHeadText(head, '', 'none'), `${start}\r\n`);
});

test('a request without a Host gets an empty one', () => {
  const head = request('GET / HTTP/1.0\r\n\r\n');
  assert.equal(requestHeadText(head, '', 'none'), 'GET / HTTP/1.1\r\nHost: \r\n\r\n');
});

test('a request hands on its expectation', () => {
  const head = request(
    'PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n',
  );
  assert.equal(
    requestHeadText(head, '', 'length'),
    'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n',
  );
});

test('an upgrade is asked for by its own function alone, and has no length', () => {
  const head = request(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nContent-Length: 0\r\n\r\n',
  );
  assert.equal(requestHeadText(head, '', 'none'), 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(
    requestHeadText(head, 'X: y\r\n', head.framing, head.upgrade),
    'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
});

test('a response by client and framing', () => {
  const head = response(
    'HTTP/1.0 200 OK\r\nConnection: close\r\nA: b\r\nContent-Length: 05\r\nC: d\r\n\r\n',
  );
  const start = 'HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n';
  const text = (
    clientMinor: 0 | 1,
    framing: 'length' | 'chunked' | 'close',
    keepAlive: boolean,
  ): string => responseHeadText(head, { requestMethod: 'GET', clientMinor, framing, keepAlive });
  assert.equal(text(1, 'length', true), `${start}Content-Length: 5\r\n\r\n`);
  assert.equal(text(1, 'length', false), `${start}Content-Length: 5\r\nConnection: close\r\n\r\n`);
  assert.equal(
    text(0, 'length', true),
    `${start}Content-Length: 5\r\nConnection: keep-alive\r\n\r\n`,
  );
  assert.equal(text(1, 'chunked', true), `${start}Transfer-Encoding: chunked\r\n\r\n`);
  assert.equal(text(0, 'close', true), `${start}Connection: close\r\n\r\n`);
  assert.equal(text(1, 'close', true), `${start}Connection: close\r\n\r\n`);
  assert.throws(() => text(0, 'chunked', true), /chunked to an http\/1\.0 client/);
});

test('a response without a body keeps its length to HEAD and on 304, and on nothing else', () => {
  const text = (status: number, requestMethod: string): string => {
    const input = `HTTP/1.1 ${status} x\r\nContent-Length: 5\r\n\r\n`;
    return responseHeadText(response(input, requestMethod), {
      requestMethod,
      clientMinor: 1,
      framing: 'none',
      keepAlive: true,
    });
  };
  assert.equal(text(200, 'HEAD'), 'HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\n');
  assert.equal(text(304, 'GET'), 'HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n');
  assert.equal(text(204, 'GET'), 'HTTP/1.1 204 x\r\n\r\n');
  assert.equal(text(204, 'HEAD'), 'HTTP/1.1 204 x\r\n\r\n');
  // A length without a body to follow would leave the client waiting.
  const answerToHead = response('HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\n', 'HEAD');
  const options = {
    requestMethod: 'GET',
    clientMinor: 1,
    framing: 'none',
    keepAlive: true,
  } as const;
  assert.equal(responseHeadText(answerToHead, options), 'HTTP/1.1 200 x\r\n\r\n');
});

test('an empty reason keeps its space', () => {
  const options = {
    requestMethod: 'GET',
    clientMinor: 1,
    framing: 'none',
    keepAlive: true,
  } as const;
  const text = responseHeadText(response('HTTP/1.1 204\r\n\r\n'), options);
  assert.equal(text, 'HTTP/1.1 204 \r\n\r\n');
});

test('the framing of a response to 1.1 and 1.0 clients', () => {
  assert.equal(responseFraming('close', 1), 'chunked');
  assert.equal(responseFraming('close', 0), 'close');
  assert.equal(responseFraming('chunked', 1), 'chunked');
  assert.equal(responseFraming('chunked', 0), 'close');
  assert.equal(responseFraming('length', 0), 'length');
  assert.equal(responseFraming('none', 0), 'none');
});

test('interim responses have no length; a 101 has its upgrade', () => {
  assert.equal(
    interimHeadText(
      response('HTTP/1.1 103 x\r\nContent-Length: 5\r\nLink: a\r\nUpgrade: b\r\n\r\n'),
    ),
    'HTTP/1.1 103 x\r\nLink: a\r\n\r\n',
  );
  assert.equal(
    interimHeadText(response('HTTP/1.1 101 x\r\nUpgrade: WebSocket\r\nA: b\r\n\r\n')),
    'HTTP/1.1 101 x\r\nA: b\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
});

test('a refusal is the last response of its connection, and says what to do', () => {
  assert.equal(
    refusalText(400, 'bad', 'a1'),
    'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nX-Request-Id: a1\r\nContent-Length: 12\r\nConnection: close\r\n\r\nsluice: bad\n',
  );
  assert.match(refusalText(503, '', ''), /\r\nRetry-After: 1\r\n/);
  assert.match(refusalText(405, '', ''), /\r\nAllow: GET, /);
  assert.match(refusalText(599, '', ''), /^HTTP\/1\.1 599 Error\r\n/);
});

test('a response of our own has a length that is right in every encoding', () => {
  const fields = 'A: b\r\n';
  const own = { status: 404, fields, body: 'b\u00e4d\r\u{1f642}\n', keepAlive: true };
  const head =
    'HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\n';
  assert.equal(ownResponseText({ ...own, requestMethod: 'GET' }), `${head}b?d???\n`);
  assert.equal(ownResponseText({ ...own, requestMethod: 'HEAD' }), head);
});

test('chunk heads are hexadecimal, the last chunk is alone', () => {
  assert.deepEqual(
    [chunkHead(1), chunkHead(10), chunkHead(65_536)],
    ['1\r\n', 'a\r\n', '10000\r\n'],
  );
  assert.equal(LAST_CHUNK, '0\r\n\r\n');
});

test('idempotent methods', () => {
  const methods = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'];
  for (const method of methods) assert.equal(isIdempotent(method), true, method);
  for (const method of ['POST', 'PATCH', 'get', 'PURGE', '']) {
    assert.equal(isIdempotent(method), false, method);
  }
});

function request(text: string): Http1Request {
  const head = parseRequestHead(text, LIMITS);
  assert(head.kind === 'request', JSON.stringify(head));
  return head;
}

function response(text: string, requestMethod = 'GET'): Http1Response {
  const head = parseResponseHead(text, requestMethod, 1000);
  assert(head.kind === 'response', JSON.stringify(head));
  return head;
}
