// A server that moves, and one with several addresses: connections belong to an address.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { RawClient, serverState, startGateway } from '../../test/support/gateway/builders.ts';
import { type Connection, NO_CONNECTION, nodeTransport, type Transport } from './transport.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const HOLD = 'GET /hold HTTP/1.1\r\nHost: a\r\n\r\n';

type Machine = {
  readonly server: NetServer;
  readonly sockets: Socket[];
  readonly held: (() => void)[];
};

/** Answers with its address; `/hold` when it is told to. */
async function machine(t: TestContext, address: string, port: number): Promise<Machine> {
  const sockets: Socket[] = [];
  const held: (() => void)[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const answer = (): void => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${address.length}\r\n\r\n${address}`);
    };
    socket.on('error', () => {});
    socket.on('data', (data) => (data.includes('/hold') ? held.push(answer) : answer()));
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server.listen(port, address), 'listening');
  return { server, sockets, held };
}

async function twoMachines(t: TestContext): Promise<{ old: Machine; next: Machine; port: number }> {
  const old = await machine(t, '127.0.0.1', 0);
  const bound = old.server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  return { old, next: await machine(t, '127.0.0.2', port), port };
}

async function ask(client: RawClient, request = GET): Promise<string> {
  const before = client.text.length;
  client.send(request);
  const whole = /\r\n\r\n.*(?:[\d.]+|\n)$/s;
  const text = await client.until((all) => all.length > before && whole.test(all.slice(before)));
  return text
    .slice(before)
    .replace(/.*\r\n\r\n/s, '')
    .trim();
}

test('when the address changes, idle connections go and what is in flight finishes there', async (t) => {
  const { old, next, port } = await twoMachines(t);
  const named = (...addresses: string[]) =>
    serverState(port, { id: `app.internal:${port}`, host: 'app.internal', addresses });
  const { gateway, setServers, port: entry } = await startGateway(t, [named('127.0.0.1')]);
  const client = new RawClient(t, entry);
  const busy = new RawClient(t, entry);
  assert.equal(await ask(client), '127.0.0.1');
  const answer = ask(busy, HOLD);
  while (old.held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await ask(client);
  const idle = old.sockets.find((socket) => socket !== old.sockets[0]) ?? old.sockets[0];
  assert.equal(old.sockets.length, 2);

  setServers([named('127.0.0.2')]);
  assert.equal(gateway.figures().upstreams[0]?.idle, 0);
  assert.equal(await ask(client), '127.0.0.2');
  if (idle?.closed === false) await once(idle, 'close');
  old.held[0]?.();
  assert.equal(await answer, '127.0.0.1');
  // Not kept: the next one goes where the server is now.
  assert.equal(gateway.figures().upstreams[0]?.inUse, 0);
  assert.equal(gateway.figures().upstreams[0]?.idle, 1);
  assert.equal(await ask(busy), '127.0.0.2');
  assert.equal(next.sockets.length, 1);
});

test('an address more, or in another order, closes no connection', async (t) => {
  const { old, port } = await twoMachines(t);
  const named = (...addresses: string[]) => serverState(port, { addresses });
  const { setServers, port: entry } = await startGateway(t, [named('127.0.0.1')]);
  const client = new RawClient(t, entry);
  await ask(client);
  setServers([named('127.0.0.1', '127.0.0.2')]);
  await ask(client);
  setServers([named('127.0.0.2', '127.0.0.1')]);
  assert.equal(await ask(client), '127.0.0.1');
  assert.equal(old.sockets.length, 1);
});

test('where the first address does not accept, the next one does, and is asked first from then on', async (t) => {
  const { old, port } = await twoMachines(t);
  const dialled: string[] = [];
  const transport: Transport = {
    listen: nodeTransport.listen,
    connect(host, to, handler) {
      dialled.push(host);
      return nodeTransport.connect(host, to, handler);
    },
  };
  const addresses = ['127.0.0.3', '127.0.0.4', '127.0.0.1'];
  const state = serverState(port, { addresses });
  const patch = { limits: { upstreamKeepalive: 0 } };
  const {
    upstreams,
    setServers,
    port: entry,
  } = await startGateway(t, [state], patch, undefined, {
    transport,
  });
  const client = new RawClient(t, entry);
  assert.equal(await ask(client), '127.0.0.1');
  assert.equal(await ask(client), '127.0.0.1');
  assert.deepEqual(dialled, [...addresses, '127.0.0.1']);
  assert.equal(upstreams.get('app')?.servers[0]?.counters.failures, 0);
  // It is gone, too: each is tried once, then it is a failure.
  old.server.close();
  for (const socket of old.sockets) socket.destroy();
  client.send(GET);
  await client.until((text) => text.includes('HTTP/1.1 502 '));
  assert.deepEqual(dialled.slice(4), ['127.0.0.1', '127.0.0.3', '127.0.0.4']);
  // An address that it has no more is not asked for old times' sake.
  setServers([serverState(port, { addresses: ['127.0.0.2'] })]);
  assert.equal(await ask(new RawClient(t, entry)), '127.0.0.2');
  assert.deepEqual(dialled.slice(7), ['127.0.0.2']);
});

test('an address that does not answer gets its part of the time to connect, and is let go', async (t) => {
  const { port } = await twoMachines(t);
  let destroyed = 0;
  const transport: Transport = {
    listen: nodeTransport.listen,
    connect(host, to, handler) {
      if (host !== '192.0.2.1') return nodeTransport.connect(host, to, handler);
      // As a socket: what was destroyed says so to whoever is its handler by then.
      const silent: Connection = {
        ...NO_CONNECTION,
        handler,
        destroy() {
          destroyed += 1;
          setImmediate(() => silent.handler.onClose(''));
        },
      };
      return silent;
    },
  };
  const state = serverState(port, { addresses: ['192.0.2.1', '127.0.0.1'] });
  const patch = { timeouts: { connectMs: 200 } };
  const { port: entry } = await startGateway(t, [state], patch, undefined, { transport });
  assert.equal(await ask(new RawClient(t, entry)), '127.0.0.1');
  assert.equal(destroyed, 1);
});

test('a name without an address keeps its server out, and is named as the reason', async (t) => {
  const state = serverState(9, { id: 'app.internal:9', host: 'app.internal', addresses: [] });
  const patch = { isReasonShown: true };
  const { port } = await startGateway(t, [state], patch);
  const client = new RawClient(t, port).send(GET);
  await client.until((text) => /^HTTP\/1\.1 503 .*no eligible server \(1 unresolved\)/s.test(text));
});
