// A client that has ended its side of the connection while its request is being worked on: it may be
// gone, or it may only have no more to send.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  RawClient,
  startGateway,
  startRawServer,
  type TestGateway,
} from '../../test/support/gateway/builders.ts';

type Asked = { readonly gateway: TestGateway; readonly client: RawClient; readonly server: Socket };

async function begin(
  t: TestContext,
  ignoreClientAbort: 'ask' | 'off' | 'on',
  version = 'HTTP/1.1',
): Promise<Asked> {
  const asked = Promise.withResolvers<Socket>();
  const raw = await startRawServer(t, (socket) => asked.resolve(socket));
  const gateway = await startGateway(t, [raw.port], { ignoreClientAbort });
  const client = new RawClient(t, gateway.port);
  client.send(`GET / ${version}\r\nHost: a\r\n\r\n`);
  return { gateway, client, server: await asked.promise };
}

function answer({ server }: Asked): void {
  server.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');
}

async function clientGone({ gateway }: Asked): Promise<void> {
  const app = gateway.upstreams.get('app');
  while (app?.servers[0]?.inFlight !== 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(app.counters.clientGone, 1, JSON.stringify(app.counters));
  assert.equal(app.servers[0].counters.clientGone, 1);
}

test('ask: a client that has left ends the attempt', async (t) => {
  const asked = await begin(t, 'ask');
  asked.client.socket.destroy();
  await clientGone(asked);
});

test('ask: a client that only ended its side is asked and gets its answer', async (t) => {
  const asked = await begin(t, 'ask');
  asked.client.socket.end();
  await asked.client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n');
  answer(asked);
  assert.match(await asked.client.ended(), /100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*hi$/);
});

test('ask: an HTTP/1.0 client is not sent what it does not know', async (t) => {
  const asked = await begin(t, 'ask', 'HTTP/1.0');
  asked.client.socket.end();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  answer(asked);
  assert.match(await asked.client.ended(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*hi$/);
});

test('off: the end of its side ends the attempt', async (t) => {
  const asked = await begin(t, 'off');
  asked.client.socket.end();
  await clientGone(asked);
});

test('on: a client that ended its side is answered and never asked', async (t) => {
  const asked = await begin(t, 'on');
  asked.client.socket.end();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  answer(asked);
  assert.match(await asked.client.ended(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*hi$/);
});
