// A stream of events over real sockets: what a client that does not read leaves behind is seen, and ends with it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { StreamSink } from '../contract.ts';
import { beginEvents } from './event-stream.ts';

async function stream(t: TestContext) {
  const { promise, resolve } = Promise.withResolvers<StreamSink>();
  let closed = 0;
  const server = createServer((_, response) =>
    beginEvents(response, (sink) => {
      resolve(sink);
      return () => {
        closed += 1;
      };
    }),
  );
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  const client = connect(address.port, '127.0.0.1');
  t.after(() => client.destroy());
  client.on('error', () => {});
  client.write('GET /api/stream HTTP/1.1\r\nhost: a\r\n\r\n');
  return { client, sink: await promise, closed: () => closed };
}

test('what a client that does not read leaves behind is counted, and it is closed in front of it', async (t) => {
  const { client, sink, closed } = await stream(t);
  client.pause();
  const chunk = `data: ${'x'.repeat(65_536)}\n\n`;
  const limit = 4 * 1024 * 1024;
  // More than any kernel keeps for one socket: whoever counts nothing would go on here for ever.
  for (let sent = 0; sink.queued() < limit; sent += 1) {
    assert(sent < 2000, `${sink.queued()} bytes are said to wait after ${sent} × 64 kB`);
    sink.write(chunk);
    if (sent % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(closed(), 0);
  sink.destroy();
  await once(client.resume(), 'close');
  assert.equal(closed(), 1);
});

test('a client that reads leaves nothing behind, and one that goes is noticed', async (t) => {
  const { client, sink, closed } = await stream(t);
  let read = 0;
  client.on('data', (bytes: Buffer) => {
    read += bytes.length;
  });
  const total = 100 * 65_536;
  for (let sent = 0; sent < 100; sent += 1) sink.write('x'.repeat(65_536));
  while (read < total || sink.queued() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  client.destroy();
  while (closed() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(closed(), 1);
});
