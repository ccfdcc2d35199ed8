// Requests that cannot be read, that are too large or too slow, and bodies that wait to be asked for.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startConsul } from '../../../../test/support/peers/programs.ts';
import { ask, header, sendRaw, startEmbedded } from '../../../../test/support/registry/builders.ts';
import type { Address } from '../../../base/units.ts';
import { answerBroken } from './broken-request.ts';
import { Pipeline } from './pipeline.ts';

const expecting = (target: string, bytes: number): string =>
  `${target} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${bytes}\r\n\r\n`;

/** Run against ours and a real Consul. */
function expectContract(
  name: string,
  start: (t: TestContext) => Promise<Address | undefined>,
): void {
  test(`${name}: a body is asked for only when it is wanted`, async (t) => {
    const address = await start(t);
    if (address === undefined) return;
    const large = await sendRaw(address, expecting('PUT /v1/kv/a', 524_289));
    assert.equal(large.status, 413, 'no 100 before it');
    assert.equal(header(large, 'Connection'), 'close');
    assert.match(large.body, /^Request body\(524289 bytes\) too large/);
    const refused = open(t, address);
    refused.write(expecting('PUT /v1/kv/', 1));
    // Not to the end: Consul waits for the body after all.
    const [nameless] = await once(refused, 'data');
    assert.match(String(nameless), /^HTTP\/1\.1 400 [\s\S]*\r\nConnection: close\r\n/);

    const socket = open(t, address);
    socket.write(expecting('PUT /v1/kv/a', 5));
    const [asked] = await once(socket, 'data');
    assert.equal(String(asked), 'HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('hello');
    const [stored] = await once(socket, 'data');
    assert.match(String(stored), /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal((await ask(address, 'GET /v1/kv/a?raw')).body, 'hello');
  });
}

expectContract('embedded', async (t) => (await startEmbedded(t)).address);
expectContract('consul', async (t) => (await startConsul(t))?.addresses[0]);

test('a client that sends a large body unasked sees the 413 and then the end', async (t) => {
  const { address } = await startEmbedded(t);
  const bytes = 8 * 1024 * 1024;
  const answer = await sendRaw(
    address,
    `PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`,
  );
  assert.deepEqual([answer.status, header(answer, 'Connection')], [413, 'close']);
  assert.match(answer.body, /too large/);
});

test('a head that is too large or malformed is refused with words', async (t) => {
  const { address } = await startEmbedded(t);
  const large = await sendRaw(
    address,
    `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
  );
  assert.deepEqual(
    [large.status, large.body],
    [431, 'Request head too large, max size: 32768 bytes'],
  );
  const put = 'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\n';
  for (const malformed of [
    'GET / HTTP/1.1\r\nHost : x\r\n\r\n',
    'GET / HTTP/1.1\nHost: x\n\n',
    'GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n',
    `${put}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`,
    `${put}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ]) {
    const answer = await sendRaw(address, malformed);
    assert.equal(answer.status, 400, malformed);
    assert.match(answer.body, /^Malformed request: ./);
  }
});

test('what came before a broken request is carried out and answered first', async (t) => {
  const { address, store } = await startEmbedded(t);
  const put = 'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1';
  const chunked = 'PUT /v1/kv/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n';
  for (const broken of ['GARBAGE\r\n\r\n', chunked]) {
    const answer = await sendRaw(address, put + broken);
    assert.equal(answer.status, 200);
    assert.match(answer.body, /^trueHTTP\/1\.1 400 Bad Request\r\n/);
    assert.equal(answer.body.match(/HTTP\/1\.1/g)?.length, 1);
  }
  assert.equal((await sendRaw(address, chunked)).status, 400);
  assert.deepEqual(
    store.list('').entries.map(({ key }) => key),
    ['a'],
  );
});

test('a request that is too slow is refused with words', async (t) => {
  const server = createServer({
    headersTimeout: 100,
    requestTimeout: 200,
    connectionsCheckingInterval: 50,
  });
  const pipeline = new Pipeline();
  server.on('request', (request, response) =>
    pipeline.enter(request, response, () => request.on('error', () => {}).resume()),
  );
  answerBroken(server, pipeline);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  for (const bytes of ['GET / HT', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel']) {
    const answer = await sendRaw({ host: '127.0.0.1', port }, bytes);
    assert.equal(answer.status, 408);
    assert.match(answer.body, /^Request too slow: its head may take 10 s, all of it 60 s/);
  }
});

function open(t: TestContext, address: Address): Socket {
  const socket = connect({ host: address.host, port: address.port });
  t.after(() => socket.destroy());
  return socket;
}
