// The time to the head of an answer is counted once for each attempt that got one, on its server.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  closedPort,
  RawClient,
  rawExchange,
  startGateway,
  startHello,
  startRawServer,
} from '../../test/support/gateway/builders.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

test('the server that answers has a time, the one that could not be reached has none', async (t) => {
  const dead = await closedPort();
  const good = await startHello(t);
  const gateway = await startGateway(t, [dead, good.port]);
  assert.match(await rawExchange(t, gateway.port, GET), /hello/);
  const servers = gateway.upstreams.get('app')?.servers ?? [];
  assert.deepEqual(
    servers.map(({ counters: { heads, headTimes } }) => [heads, headTimes.length > 0]),
    [
      [0, false],
      [1, true],
    ],
  );
  const { headTimes = [], headSumMs = 0 } = servers[1]?.counters ?? {};
  assert.equal(
    headTimes.reduce((sum, count) => sum + count, 0),
    1,
  );
  assert(headSumMs > 0);
});

test('it is counted when the head comes, however long the body takes; and of a tunnel, too', async (t) => {
  const slow = await startRawServer(t, (socket, received) => {
    if (received.includes('/tunnel'))
      socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    else if (received !== '') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel');
  });
  const gateway = await startGateway(t, [slow.port], { upgrade: ['websocket'] });
  const server = gateway.upstreams.get('app')?.servers[0];
  const client = new RawClient(t, gateway.port);
  client.send(GET);
  await client.until((text) => text.endsWith('hel'));
  assert.deepEqual([server?.counters.heads, server?.counters.answered], [1, 0]);
  const other = new RawClient(t, gateway.port);
  other.send(
    'GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
  await other.until((text) => text.includes('101'));
  assert.equal(server?.counters.heads, 2);
});
