// What is taken for plain, and that node:http reads it in the same way.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { parsePlain } from './plain-request.ts';

const PLAIN: readonly string[] = [
  'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /v1/kv/a%20b?recurse&index=7 HTTP/1.1\r\nhost: x\r\nUser-Agent: c 1 (y; z)\r\nAccept: */*\r\n\r\n',
  'DELETE /v1/kv/a/?recurse HTTP/1.1\r\nHost: x:1\r\nX-Consul-Token: s\r\n\r\n',
  'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n\0\xff\n',
  'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  'PUT /v1/session/create HTTP/1.1\r\nConnection: Keep-Alive\r\nHost: x\r\n\r\n',
  'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n',
  `GET /v1/kv/${'a'.repeat(4_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
];

const OTHERS: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['a part of a head', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n'],
  ['a part of a body', 'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab'],
  ['more than one request', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\nG'],
  ['another method', 'HEAD /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['another version', 'GET /v1/kv/a HTTP/1.0\r\nHost: x\r\n\r\n'],
  ['an answer that may be a stream', 'GET /v1/snapshot HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a large body', 'PUT /v1/txn HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['an absolute target', 'GET http://x/v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a target that is no ASCII', 'GET /v1/kv/\xe9 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a target with a blank', 'GET /v1/kv/a b HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['no host', 'GET /v1/kv/a HTTP/1.1\r\nAccept: */*\r\n\r\n'],
  ['two hosts', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n'],
  ['a field that is not known', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n'],
  ['chunks', 'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a name of Object', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nconstructor: y\r\n\r\n'],
  ['a line alone', 'GET /v1/kv/a HTTP/1.1\nHost: x\n\n'],
  ['a bare end of line', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r'],
  ['a folded field', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n y\r\n\r\n'],
  ['a blank before the colon', 'GET /v1/kv/a HTTP/1.1\r\nHost : x\r\n\r\n'],
  ['no blank behind the colon', 'GET /v1/kv/a HTTP/1.1\r\nHost:x\r\n\r\n'],
  ['an empty field', 'GET /v1/kv/a HTTP/1.1\r\nHost: \r\n\r\n'],
  ['a control character', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\0\r\n\r\n'],
  ['an upgrade', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\r\n'],
  ['two lengths', 'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na'],
  ['a signed length', 'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na'],
  ['a length with a zero', 'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 01\r\n\r\na'],
  ['a body without a length', 'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\na'],
  ['a GET with a body', 'GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na'],
  ['a long head', `GET /v1/kv/${'a'.repeat(4_100)} HTTP/1.1\r\nHost: x\r\n\r\n`],
];

test('what is plain is read as node:http reads it', async (t) => {
  const read: unknown[] = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    read.push({ method, url, headers: { ...headers }, body: await buffer(request) });
    response.shouldKeepAlive = false;
    response.end();
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  for (const text of PLAIN) {
    const bytes = Buffer.from(text, 'latin1');
    const { closes, ...plain } = parsePlain(bytes) ?? { closes: undefined };
    const socket = connect(address.port, '127.0.0.1');
    socket.end(bytes);
    socket.resume();
    await once(socket, 'close');
    assert.deepEqual(plain, read.pop(), text.slice(0, 200));
    assert.equal(closes, text.includes('close'));
  }
});

for (const [name, text] of OTHERS) {
  test(`is not plain: ${name}`, () => {
    assert.equal(parsePlain(Buffer.from(text, 'latin1')), undefined);
  });
}

test('a plain request that is cut anywhere is not plain', () => {
  for (const text of PLAIN.slice(0, -1)) {
    for (let bytes = 0; bytes < text.length; bytes++) {
      assert.equal(parsePlain(Buffer.from(text.slice(0, bytes), 'latin1')), undefined, text);
    }
  }
});
