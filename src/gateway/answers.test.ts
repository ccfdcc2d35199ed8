// What a server is counted with: its whole answers by the class of their status, and what it failed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, startGateway, startRawServer } from '../../test/support/gateway/builders.ts';

test('answers are counted by class on their server, failures and broken ones are not among them', async (t) => {
  const raw = await startRawServer(t, (socket, received) => {
    const status = /^GET \/(\d+) [\s\S]*\r\n\r\n$/.exec(received)?.[1];
    if (status === undefined) return;
    if (status === '0') socket.destroy();
    else if (status === '1') {
      socket.end('HTTP/1.1 500 Broken\r\nContent-Length: 9\r\n\r\nhalf');
    } else socket.end(`HTTP/1.1 ${status} X\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok`);
  });
  const gateway = await startGateway(t, [raw.port]);
  for (const status of [200, 201, 302, 404, 500, 503, 599, 0, 1]) {
    const client = new RawClient(t, gateway.port);
    client.send(`GET /${status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await client.ended();
  }
  const counters = gateway.upstreams.get('app')?.servers[0]?.counters;
  assert(counters !== undefined);
  const { answered, answered1xx, answered2xx, answered3xx, answered4xx, answered5xx } = counters;
  assert.deepEqual(
    [answered, answered1xx, answered2xx, answered3xx, answered4xx, answered5xx],
    [7, 0, 2, 1, 1, 3],
  );
  assert.deepEqual([counters.cut, counters.lost, counters.failures], [1, 1, 2]);
});
