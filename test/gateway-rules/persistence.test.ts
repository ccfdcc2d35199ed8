// Rules 34, 35, 49 and 67 to 75: who may go on with which connection, half-closed clients, clients
// that leave, and when a request may be sent twice.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  closedPort,
  RawClient,
  rawExchange,
  serverState,
  startGateway,
} from '../support/gateway/builders.ts';
import {
  answerOk,
  eventually,
  get,
  head,
  readResponses,
  startLab,
  within,
} from '../support/gateway/lab.ts';

test('a pipelining client that leaves is noticed while its second request waits', async (t) => {
  const lab = await startLab(t, {}, (socket, request) => {
    if (request.line.includes('/first')) answerOk(socket, request);
  });
  const client = new RawClient(t, lab.port);
  client.send(`${get().replace('/', '/first')}${get()}`);
  await eventually('the second request', () => lab.requests.length === 2);
  client.socket.resetAndDestroy();
  await eventually('quiet', lab.isQuiet);
  assert.equal(lab.upstreams.get('app')?.counters.clientGone, 1);
});

for (const framing of ['Content-Length: 40', 'Transfer-Encoding: chunked']) {
  for (const ending of ['end', 'resetAndDestroy'] as const) {
    test(`half a body (${framing}) and ${ending} never makes a request`, async (t) => {
      const lab = await startLab(t);
      const body = framing.startsWith('C') ? 'GET /' : '14\r\nGET /x HTTP/1.1\r\n\r\n\r\n5\r\nab';
      const sent = `${head('PUT / HTTP/1.1', 'Host: a', framing)}${body}`;
      for (let length = sent.indexOf('\r\n\r\n') + 4; length <= sent.length; length += 1) {
        const client = new RawClient(t, lab.port).send(sent.slice(0, length));
        const seen = lab.sockets.length;
        await eventually(
          'the head',
          () => lab.sockets.length > seen - 1 && lab.received.some((text) => text !== ''),
        );
        client.socket[ending]();
        await within('the end', client.ended());
      }
      await eventually('quiet', lab.isQuiet);
      assert.deepEqual(lab.requests, []);
      assert.deepEqual(lab.problems, []);
    });
  }
}

test('a client that aborts takes its server connection with it', async (t) => {
  const lab = await startLab(t, {}, () => {});
  const client = new RawClient(t, lab.port).send(get());
  await eventually('the request', () => lab.requests.length === 1);
  client.socket.resetAndDestroy();
  await eventually('quiet', lab.isQuiet);
  await eventually(
    'the close',
    () => lab.sockets[0]?.readableEnded === true || lab.sockets[0]?.destroyed === true,
  );
});

test('nothing behind a request that ends the connection is a request', async (t) => {
  for (const last of [get('Connection: close'), 'GET / HTTP/1.0\r\n\r\n']) {
    const lab = await startLab(t);
    const client = new RawClient(t, lab.port).send(last + get().repeat(3));
    await within('the end', client.ended());
    assert.equal(readResponses(client.text, [], true).length, 1);
    assert.equal(lab.requests.length, 1);
    client.socket.destroy();
  }
});

test('a refused body ends an upload that had begun', async (t) => {
  const lab = await startLab(t);
  const client = new RawClient(t, lab.port).send(
    `${head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}5\r\nhello\r\n`,
  );
  await eventually('the body', () => lab.received[0]?.includes('hello') === true);
  client.send(`oops\r\n${get()}`);
  await within('the refusal', client.ended());
  assert.equal(readResponses(client.text, [], true)[0]?.status, 400);
  client.socket.destroy();
  await eventually('quiet', lab.isQuiet);
  assert.deepEqual(lab.requests, []);
});

test('an early answer closes both connections, and the late body is no request', async (t) => {
  const lab = await startLab(t);
  const client = new RawClient(t, lab.port).send(
    head('POST / HTTP/1.1', 'Host: a', `Content-Length: ${get().length * 2}`),
  );
  await eventually('the head', () => lab.received[0]?.includes('\r\n\r\n') === true);
  lab.sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');
  await within(
    'the answer',
    client.until((text) => text.endsWith('hi')),
  );
  client.send(get() + get() + get());
  await within('the end', client.ended());
  assert.equal(readResponses(client.text, [], true).length, 1);
  client.socket.destroy();
  await eventually('quiet', lab.isQuiet);
  assert.deepEqual(lab.requests, []);
  // The next request must not end up in the body that the server still waits for.
  await within('an answer', rawExchange(t, lab.port, get('Connection: close')));
  assert.equal(lab.requests.length, 1);
  assert.equal(lab.sockets.length, 2);
});

test('an answer that began early outlives a pause of the server in taking the body', async (t) => {
  const lab = await startLab(t, { timeouts: { upstreamSendMs: 1500, readMs: 20_000 } });
  const pieces = 50;
  const piece = Buffer.alloc(1_000_000, 'x');
  const client = new RawClient(t, lab.port).send(
    head('POST / HTTP/1.1', 'Host: a', `Content-Length: ${pieces * piece.length}`),
  );
  await eventually('the head', () => lab.received[0]?.includes('\r\n\r\n') === true);
  const [socket] = lab.sockets;
  assert.ok(socket !== undefined);
  socket.removeAllListeners('data');
  socket.pause();
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi');
  await within(
    'the head of the answer',
    client.until((text) => text.endsWith('hi')),
  );
  for (let count = 0; count < pieces; count += 1) client.socket.write(piece);
  // Everything on the way is full when no more leaves the client.
  let before = -1;
  while (before !== client.socket.writableLength) {
    before = client.socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.ok(before > 0);
  let taken = 0;
  socket.on('data', (data: Buffer) => {
    taken += data.length;
  });
  socket.resume();
  await eventually('the whole body', () => taken === pieces * piece.length);
  // Silent for longer than a write may take, but not for longer than a read may.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  socket.write('!!');
  await within(
    'the rest',
    client.until((text) => text.endsWith('hi!!')),
  );
});

test('the newest idle connection is taken, and `Keep-Alive: timeout` is believed', async (t) => {
  const used: number[] = [];
  const lab = await startLab(t, {}, (socket, request, connection) => {
    used.push(connection);
    const keepAlive = request.line.includes('short') ? 'Keep-Alive: timeout=1\r\n' : '';
    const answer = `HTTP/1.1 200 OK\r\n${keepAlive}Content-Length: 2\r\n\r\nok`;
    if (request.line.includes('/slow')) setTimeout(() => socket.write(answer), 100);
    else socket.write(answer);
  });
  const both = [1, 2].map((n) => new RawClient(t, lab.port).send(get().replace('/', `/slow${n}`)));
  await Promise.all(
    both.map((client) =>
      within(
        'an answer',
        client.until((text) => text.endsWith('ok')),
      ),
    ),
  );
  const client = new RawClient(t, lab.port).send(get());
  await within(
    'an answer',
    client.until((text) => text.endsWith('ok')),
  );
  assert.equal(lab.sockets.length, 2);
  const short = new RawClient(t, lab.port).send(get().replace('/', '/short'));
  await within(
    'an answer',
    short.until((text) => text.endsWith('ok')),
  );
  const socket = lab.sockets[used.at(-1) ?? 0];
  assert.ok(socket !== undefined);
  if (!socket.readableEnded) await within('the close before the server’s', once(socket, 'end'));
});

test('what may be sent twice: nothing that is not idempotent, nothing that was answered', async (t) => {
  const ENDINGS = [
    '',
    'HTTP/1.1 200 OK\r\nX',
    'HTTP/1.1 103 E\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi',
    'garbage\r\n\r\n',
  ];
  for (const sent of ENDINGS) {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH', 'BREW']) {
      const lab = await startLab(t, {}, (socket) => void socket.end(sent));
      const other = await startLab(t, {}, answerOk);
      const ports = [lab, other].map((one) => one.upstreams.get('app')?.servers[0]?.port ?? 0);
      lab.setServers(ports.map((port) => serverState(port, { maxFails: 0 })));
      const client = new RawClient(t, lab.port);
      client.send(
        `${head(`${method} / HTTP/1.1`, 'Host: a', 'Content-Length: 2', 'Connection: close')}hi`,
      );
      await within(`${method} after ${sent}`, client.ended());
      assert.equal(lab.requests.length, 1, 'the dying server was not asked');
      const isRetried =
        ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'].includes(method) &&
        (sent === '' || sent.endsWith('X'));
      assert.equal(
        other.requests.length,
        isRetried ? 1 : 0,
        `${method} after ${JSON.stringify(sent)}`,
      );
      const counters = lab.upstreams.get('app')?.counters;
      assert.equal(counters?.retried, isRetried ? 1 : 0);
      client.socket.destroy();
      await eventually('quiet', lab.isQuiet);
    }
  }
});

test('a retry that finds no server is a loss, not a retry', async (t) => {
  const dead = await closedPort();
  const { port, upstreams } = await startGateway(t, [dead]);
  const client = new RawClient(t, port).send(get('Connection: close'));
  assert.match(await within('the refusal', client.ended()), /^HTTP\/1\.1 502 /);
  const app = upstreams.get('app');
  assert.deepEqual([app?.counters.retried, app?.counters.lost], [0, 1]);
  const counters = app?.servers[0]?.counters;
  assert.deepEqual([counters?.retried, counters?.lost], [0, 1]);
});
