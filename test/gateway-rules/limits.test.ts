// Rules 13 and 76 to 83: limits, timeouts and overload.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { closedPort, RawClient, rawExchange, startGateway } from '../support/gateway/builders.ts';
import {
  drip,
  eventually,
  get,
  head,
  post,
  readResponses,
  startLab,
  within,
} from '../support/gateway/lab.ts';

test('the deadline of a head is total: bytes now and then do not extend it', async (t) => {
  const lab = await startLab(t, { timeouts: { clientHeaderMs: 400 } });
  const client = new RawClient(t, lab.port);
  const timer = setInterval(() => client.send('a'), 50);
  client.send('GET /');
  await within('the refusal', client.ended());
  clearInterval(timer);
  assert.equal(readResponses(client.text, [], true)[0]?.status, 408);
  // The same on a connection that was used before.
  const used = new RawClient(t, lab.port).send(get());
  await within(
    'an answer',
    used.until((text) => text.includes('ok GET')),
  );
  const again = setInterval(() => used.send('a'), 50);
  used.send('GET /');
  await within('the refusal', used.ended());
  clearInterval(again);
  assert.equal(readResponses(used.text, [], true)[1]?.status, 408);
});

test('silence of all kinds ends: 408 for a body, nothing said on an idle connection', async (t) => {
  const lab = await startLab(t, {
    timeouts: { clientBodyMs: 200, keepaliveMs: 200, clientHeaderMs: 200, lingeringMs: 200 },
  });
  assert.match(
    await within('408', rawExchange(t, lab.port, `${post('Content-Length: 9')}half`)),
    /^HTTP\/1\.1 408 /,
  );
  assert.match(
    await within('408', rawExchange(t, lab.port, `${post('Transfer-Encoding: chunked')}4\r\nhalf`)),
    /^HTTP\/1\.1 408 /,
  );
  assert.equal(await within('a silent close', rawExchange(t, lab.port, '')), '');
  assert.equal(await within('a silent close', rawExchange(t, lab.port, '\r\n\r\n')), '');
  const kept = await within('a silent close', rawExchange(t, lab.port, get()));
  assert.equal(readResponses(kept, [], true).length, 1);
  assert.equal(lab.requests.length, 1);
  await eventually('quiet', lab.isQuiet);
});

test('a slow body of many pieces is no silence', async (t) => {
  const lab = await startLab(t, { timeouts: { clientBodyMs: 400 } });
  const client = new RawClient(t, lab.port).send(post('Content-Length: 8'));
  for (const byte of 'patience') {
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.send(byte);
  }
  await within(
    'the answer',
    client.until((text) => text.includes('ok POST')),
  );
  assert.equal(lab.requests[0]?.body, 'patience');
});

test('a server that accepts nothing, answers nothing or stops: 502, 504 and a cut', async (t) => {
  const dead = await startGateway(t, [await closedPort()]);
  assert.match(
    await within('502', rawExchange(t, dead.port, get('Connection: close'))),
    /^HTTP\/1\.1 502 /,
  );
  const silent = await startLab(t, { timeouts: { responseMs: 200 } }, () => {});
  const started = new RawClient(t, silent.port).send(get());
  await within(
    '504',
    started.until((text) => text.startsWith('HTTP/1.1 504 ')),
  );
  await within(
    '504 for a post',
    rawExchange(t, silent.port, `${post('Content-Length: 2', 'Connection: close')}hi`),
  );
  // A head that drips in must be whole in time.
  const dripping = await startLab(t, { timeouts: { responseMs: 400 } }, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nX: ');
    const timer = setInterval(() => socket.write('a'), 50);
    socket.on('close', () => clearInterval(timer));
  });
  assert.match(
    await within('504', rawExchange(t, dripping.port, get('Connection: close'))),
    /^HTTP\/1\.1 504 /,
  );
  for (const lab of [silent, dripping])
    assert.equal(lab.upstreams.get('app')?.servers[0]?.inFlight, 0);
});

test('a server that takes no body: 504, and the client is not held for ever', async (t) => {
  const lab = await startLab(t, { timeouts: { upstreamSendMs: 300 } });
  const client = new RawClient(t, lab.port).send(post('Content-Length: 90000000'));
  await eventually('the head', () => lab.received[0]?.includes('\r\n\r\n') === true);
  lab.sockets[0]?.removeAllListeners('data');
  lab.sockets[0]?.pause();
  client.socket.write(Buffer.alloc(90_000_000, 'x'));
  await within(
    '504',
    client.until((text) => text.startsWith('HTTP/1.1 504 ')),
  );
  client.socket.destroy();
  await eventually('quiet', lab.isQuiet);
});

test('a client that takes no answer is given up', async (t) => {
  const lab = await startLab(t, { timeouts: { sendMs: 300 } }, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n');
    socket.write(Buffer.alloc(90_000_000, 'x'));
  });
  const client = new RawClient(t, lab.port);
  client.socket.pause();
  client.send(get());
  await eventually('the request', () => lab.requests.length === 1);
  await eventually('quiet', lab.isQuiet);
});

test('413 for a body over the limit, known at once or by and by', async (t) => {
  const lab = await startLab(t, { limits: { bodyBytesMax: 10 } });
  const chunks = post('Transfer-Encoding: chunked');
  const statuses: number[] = [];
  for (const bytes of [
    `${post('Content-Length: 11', 'Connection: close')}hello`,
    `${chunks}b\r\n`,
    `${chunks}5\r\nhello\r\n6\r\n`,
    `${post('Content-Length: 10', 'Connection: close')}hello12345`,
  ]) {
    const text = await within('an answer', rawExchange(t, lab.port, bytes));
    statuses.push(readResponses(text, [], true)[0]?.status ?? 0);
  }
  assert.deepEqual(statuses, [413, 413, 413, 200]);
});

test('the last request of a connection says so', async (t) => {
  const lab = await startLab(t, { limits: { keepaliveRequests: 3 } });
  const text = await within('the end', rawExchange(t, lab.port, get().repeat(5)));
  const closes = readResponses(text, [], true).map(({ fields }) =>
    fields.includes('Connection: close'),
  );
  assert.deepEqual(closes, [false, false, true]);
  assert.equal(lab.requests.length, 3);
});

test('hundreds of slow heads do not disturb the others; one too many is told so', async (t) => {
  const count = 400;
  const lab = await startLab(t, { limits: { connectionsMax: count + 1 } });
  const slow = Array.from({ length: count }, () =>
    new RawClient(t, lab.port).send('GET / HTTP/1.1\r\nX: '),
  );
  await eventually('all of them', () => lab.gateway.connections() === count);
  const quick = new RawClient(t, lab.port);
  for (let round = 1; round <= 50; round += 1) {
    quick.send(get());
    for (const client of slow.slice(0, 20)) client.send('x');
    await within(
      'an answer',
      quick.until((text) => text.split('HTTP/1.1 200').length === round + 1),
    );
  }
  const refused = new RawClient(t, lab.port);
  assert.match(await within('the refusal', refused.ended()), /^HTTP\/1\.1 503 /);
  for (const client of [...slow, quick]) client.socket.destroy();
  await eventually('quiet', lab.isQuiet);
  assert.match(await rawExchange(t, lab.port, get('Connection: close')), /ok GET/);
});

test('the first byte of a stream is passed on at once, both ways', async (t) => {
  const lab = await startLab(t, {}, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n');
  });
  const client = new RawClient(t, lab.port).send(get());
  await within(
    'the first event',
    client.until((text) => text.includes('data: 1\n\n')),
  );
  lab.sockets[0]?.write('data: 2\n\n');
  await within(
    'the second event',
    client.until((text) => text.includes('data: 2\n\n')),
  );
  lab.sockets[0]?.end();
  await within(
    'the end',
    client.until((text) => text.endsWith('0\r\n\r\n')),
  );
});

test('a head of the greatest size, byte by byte from both sides', async (t) => {
  const value = 'v'.repeat(7000);
  const lab = await startLab(t, {}, async (socket) => {
    for (const piece of `HTTP/1.1 200 OK\r\nX: ${value}\r\nContent-Length: 0\r\n\r\n`) {
      socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const client = new RawClient(t, lab.port);
  await drip(client, get(`X: ${value}`));
  await within(
    'the answer',
    client.until((text) => text.endsWith('\r\n\r\n')),
  );
  assert.ok(lab.requests[0]?.fields.includes(`X: ${value}`));
});

test('a shutdown does not wait for connections that become idle after it began', async (t) => {
  const lab = await startLab(t, {}, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi');
  });
  const client = new RawClient(t, lab.port).send(get());
  await within(
    'the head',
    client.until((text) => text.endsWith('hi')),
  );
  const closed = lab.gateway.close(60_000);
  await new Promise((resolve) => setTimeout(resolve, 500));
  lab.sockets[0]?.write('!!');
  await within(
    'the rest',
    client.until((text) => text.endsWith('hi!!')),
  );
  await within('the close', closed);
});

test('what a shutdown or half a request cuts off does not look complete', async (t) => {
  for (const isShutdown of [true, false]) {
    const lab = await startLab(t);
    const client = new RawClient(t, lab.port);
    client.send('POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nhi');
    await eventually('the body', () => lab.received[0]?.endsWith('hi') === true);
    lab.sockets[0]?.write('HTTP/1.1 200 OK\r\n\r\nbegun');
    await within(
      'the beginning',
      client.until((text) => text.endsWith('begun')),
    );
    if (isShutdown) await within('the shutdown', lab.gateway.close(50));
    else client.socket.end();
    await within('the cut', client.ended());
    assert.equal(client.error, 'ECONNRESET');
    await eventually('quiet', lab.isQuiet);
  }
});

test('recovers by itself when the server is back', async (t) => {
  const port = await closedPort();
  const lab = await startGateway(t, [port]);
  assert.match(await rawExchange(t, lab.port, get('Connection: close')), /^HTTP\/1\.1 502 /);
  const server = createServer((_, response) => response.end('back')).listen(port, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await within('listening', new Promise((resolve) => server.once('listening', resolve)));
  assert.match(await rawExchange(t, lab.port, get('Connection: close')), /back/);
});

test('a head without end is refused as soon as it is too long', async (t) => {
  const lab = await startLab(t, {
    limits: { headBytesMax: 2000, uriBytesMax: 500 },
    timeouts: { lingeringMs: 200 },
  });
  for (const [bytes, status] of [
    [`GET /${'a'.repeat(500)}`, 414],
    [`${head('GET / HTTP/1.1', `X: ${'a'.repeat(2000)}`).slice(0, -4)}`, 431],
    ['M'.repeat(33), 400],
  ] as const) {
    const text = await within('a refusal', rawExchange(t, lab.port, bytes));
    assert.equal(readResponses(text, [], true)[0]?.status, status);
  }
  await eventually('quiet', lab.isQuiet);
});
