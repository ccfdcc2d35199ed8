// Plain requests beside those that node:http reads: the same answers, and one order on a connection.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { startEmbedded } from '../../../../test/support/registry/builders.ts';
import type { Address } from '../../../base/units.ts';
import { Body, HEAD_TIMEOUT_MS } from '../http.ts';
import { PlainConnections } from './plain-connections.ts';

/** A client that reads what comes, as one text. */
class Client {
  readonly socket: Socket;
  text = '';

  constructor(t: TestContext, { host, port }: Address) {
    this.socket = connect({ host, port, allowHalfOpen: true });
    this.socket.setEncoding('latin1').on('data', (text: string) => {
      this.text += text;
    });
    t.after(() => this.socket.destroy());
  }

  /** All that came, once that many answers did. */
  async answers(count: number): Promise<string[]> {
    for (;;) {
      const heads = [...this.text.matchAll(/HTTP\/1\.1 [\s\S]*?\r\n\r\n/g)];
      const last = heads[count - 1];
      if (last !== undefined) {
        const length = Number(/Content-Length: (\d+)/.exec(last[0])?.[1]);
        if (this.text.length >= last.index + last[0].length + length) {
          return this.text.split(/(?=HTTP\/1\.1 )/);
        }
      }
      await once(this.socket, 'data');
    }
  }
}

const request = (line: string, fields = '', body = ''): string =>
  `${line} HTTP/1.1\r\nHost: x\r\n${fields}${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`;

/** Makes a request one that only node:http reads. */
const OTHER = 'X-Other: 1\r\n';

test('an answer is the same, byte for byte, whoever reads the request', async (t) => {
  const { store, address } = await startEmbedded(t);
  await store.put('a', Buffer.from('1'));
  await store.put('large', Buffer.alloc(20_000, 'x'));
  await store.put('bytes', Buffer.from([0, 255]));
  const lines = [
    ...[
      'kv/a',
      'kv/none',
      'kv/',
      'kv/?recurse',
      'kv/bytes?raw',
      'kv/large',
      'kv//a',
      'kv/a?index=x',
    ],
    ...['catalog/nodes', 'agent/nothing', 'status/leader', 'kv/large?raw&keys', 'health/service/a'],
  ];
  for (const line of lines
    .map((each) => `GET /v1/${each}`)
    .concat('PUT /v1/kv/', 'DELETE /v1/kv/b')) {
    for (const fields of ['', 'Accept-Encoding: gzip\r\n', 'Connection: close\r\n']) {
      const texts: string[] = [];
      for (const other of ['', OTHER, '']) {
        const client = new Client(t, address);
        client.socket.write(request(line, fields + other));
        const answers = await client.answers(1);
        if (fields.startsWith('Connection')) await once(client.socket, 'end');
        client.socket.destroy();
        texts.push(answers.join('').replace(/Date: .*/, 'Date'));
      }
      assert.deepEqual([texts[1], texts[2]], [texts[0], texts[0]], line + fields);
    }
  }
});

test('a connection changes to node:http at any byte, without losing one', async (t) => {
  const { store, address } = await startEmbedded(t);
  const put = request('PUT /v1/kv/a', '', 'hello');
  for (let cut = 1; cut < put.length; cut++) {
    await store.delete('a');
    const client = new Client(t, address);
    client.socket.setNoDelay(true);
    client.socket.write(request('GET /v1/kv/a?raw'));
    await client.answers(1);
    client.socket.write(put.slice(0, cut));
    await turn();
    client.socket.write(put.slice(cut));
    await client.answers(2);
    client.socket.end(request('GET /v1/kv/a?raw'));
    const answers = await client.answers(3);
    assert.match(answers[2] ?? '', /\r\n\r\nhello$/);
    client.socket.destroy();
  }
});

test('what comes behind a request that waits is carried out after its answer', async (t) => {
  const { store, address } = await startEmbedded(t);
  await store.put('a', Buffer.from('1'));
  for (const fields of ['', OTHER]) {
    const client = new Client(t, address);
    const { index } = store.list('a');
    client.socket.write(request(`GET /v1/kv/a?raw&index=${index}`));
    // A GET of another connection is answered later than this one was read.
    await whenRead(t, address);
    client.socket.write(request('PUT /v1/kv/behind', fields, fields === '' ? 'plain' : 'other'));
    await whenRead(t, address);
    client.socket.write(request('GET /v1/kv/behind?raw'));
    await whenRead(t, address);
    assert.notEqual(String(store.read('behind')?.content), fields === '' ? 'plain' : 'other');
    await store.put('a', Buffer.from(`2${fields}`));
    const answers = await client.answers(3);
    assert.match(answers[0] ?? '', /\r\n\r\n2/);
    assert.match(answers[1] ?? '', /\r\n\r\ntrue$/);
    assert.match(answers[2] ?? '', fields === '' ? /plain$/ : /other$/);
  }
});

test('a client that takes nothing of an answer gets no other request carried out', async (t) => {
  const { store, address } = await startEmbedded(t);
  for (let at = 0; at < 15; at++) await store.put(`l/${at}`, Buffer.alloc(500_000, 'x'));
  const client = new Client(t, address);
  client.socket.pause();
  client.socket.write(request('GET /v1/kv/l/?recurse'));
  await whenRead(t, address);
  client.socket.write(request('PUT /v1/kv/behind', '', 'v'));
  await whenRead(t, address);
  await whenRead(t, address);
  assert.equal(store.read('behind'), undefined);
  client.socket.resume();
  while (!client.text.endsWith('\r\n\r\ntrue')) await once(client.socket, 'data');
  assert.equal(String(store.read('behind')?.content), 'v');
});

test('who ends its side while it waits is answered, and then the connection ends', async (t) => {
  const { store, address } = await startEmbedded(t);
  await store.put('a', Buffer.from('1'));
  const client = new Client(t, address);
  client.socket.end(request(`GET /v1/kv/a?raw&index=${store.index}`));
  await once(client.socket, 'end');
  assert.match(client.text, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n1$/);
});

test('a silent connection ends: without a word after a request, with a 408 before the first', async (t) => {
  const refused: Socket[] = [];
  const plain = new PlainConnections({
    serve: (_request, connection) =>
      connection.send({ status: 200, headers: [], body: new Body('') }),
    take: (socket) => socket.destroy(),
    refuseSlow: (socket) => refused.push(socket.end('slow')),
    idleTimeoutMs: 120_000,
  });
  const server = createServer({ allowHalfOpen: true }, (socket) => plain.enter(socket));
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  t.after(() => plain.close());
  await once(server, 'listening');
  const bound = server.address();
  assert(bound !== null && typeof bound === 'object');
  const address = { host: '127.0.0.1', port: bound.port };
  const silent = new Client(t, address);
  const asked = new Client(t, address);
  asked.socket.write(request('GET /v1/kv/a'));
  await asked.answers(1);
  plain.sweep(performance.now() + HEAD_TIMEOUT_MS);
  plain.sweep(performance.now() + 119_000);
  await once(silent.socket, 'end');
  assert.equal(silent.text, 'slow');
  assert.equal(asked.socket.readableEnded, false);
  plain.sweep(performance.now() + 121_000);
  await once(asked.socket, 'end');
  silent.socket.end();
});

/** Resolves once the server read what was sent to it on loopback before. */
async function whenRead(t: TestContext, address: Address): Promise<void> {
  const client = new Client(t, address);
  for (let at = 1; at <= 3; at++) {
    client.socket.write(request('GET /v1/status/leader'));
    await client.answers(at);
  }
  client.socket.destroy();
}
