// Bodies that are held until they are whole: no server sees a slow client.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../../test/support/gateway/builders.ts';
import { get, post, startLab } from '../../test/support/gateway/lab.ts';

const HELD = { requestBuffering: { app: 1000 } };

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

for (const [name, head, pieces, body] of [
  ['with a length', post('Content-Length: 9'), ['abc', 'def', 'ghi'], 'abcdefghi'],
  [
    'in chunks',
    post('Transfer-Encoding: chunked'),
    ['3\r\nabc\r\n', '2\r\nde\r\n', '0\r\n\r\n'],
    'abcde',
  ],
  ['replaceable', post('Content-Length: 3').replace('POST', 'PUT'), ['a', 'b', 'c'], 'abc'],
] as const) {
  test(`a body ${name} is held until it is whole`, async (t) => {
    const lab = await startLab(t, HELD);
    const client = new RawClient(t, lab.port);
    client.send(head);
    for (const piece of pieces) {
      await tick();
      assert.equal(lab.sockets.length, 0, 'no connection to a server yet');
      assert.equal(lab.upstreams.get('app')?.servers[0]?.inFlight, 0);
      client.send(piece);
    }
    await client.until((text) => text.includes(' 200 OK'));
    assert.equal(lab.requests[0]?.body, body);
    client.send(get());
    await client.until((text) => text.split(' 200 OK').length === 3);
    assert.deepEqual(lab.problems, []);
  });
}

test('a body that is larger is passed on from there', async (t) => {
  const lab = await startLab(t, HELD);
  const client = new RawClient(t, lab.port);
  client.send(post('Content-Length: 3000') + 'x'.repeat(999));
  await tick();
  assert.equal(lab.sockets.length, 0);
  client.send('x');
  while (lab.received[0]?.endsWith('x') !== true) await tick();
  client.send('x'.repeat(2000));
  await client.until((text) => text.includes(' 200 OK'));
  assert.equal(lab.requests[0]?.body.length, 3000);
});

test('a client that asks first gets its 100 from the gateway, once', async (t) => {
  const lab = await startLab(t, HELD, (socket) => {
    socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  });
  const client = new RawClient(t, lab.port);
  client.send(post('Content-Length: 3', 'Expect: 100-continue'));
  await client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(lab.sockets.length, 0);
  client.send('abc');
  const text = await client.until((all) => all.includes(' 200 OK'));
  assert.equal(text.split('100 Continue').length, 2);
});

test('a client that leaves before its body is whole involves no server', async (t) => {
  const lab = await startLab(t, HELD);
  const client = new RawClient(t, lab.port);
  client.send(`${post('Content-Length: 9')}abc`);
  await tick();
  client.socket.resetAndDestroy();
  while (lab.gateway.connections() > 0) await tick();
  assert.equal(lab.sockets.length, 0);
  assert.equal(lab.upstreams.get('app')?.counters.clientGone, 1);
  assert.equal(lab.upstreams.get('app')?.counters.inFlight, 0);
});

test('other upstreams pass bodies on as they come', async (t) => {
  const lab = await startLab(t, { requestBuffering: { other: 1000 } });
  const client = new RawClient(t, lab.port);
  client.send(`${post('Content-Length: 9')}abc`);
  while (lab.received[0]?.endsWith('abc') !== true) await tick();
});
