// Who is blamed where it depends on when something broke: on the simulated network, where that can be
// arranged.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import { gatewayConfig, serverState } from '../../test/support/gateway/builders.ts';
import { MemoryNetwork } from '../../test/support/gateway/memory-network.ts';
import { ROUND_ROBIN } from '../model.ts';
import { UpstreamSet } from '../upstream.ts';
import { Gateway } from './gateway.ts';
import { type Connection, DEAF, type Transport } from './transport.ts';

const WINDOW_BYTES = 16_384;

type World = {
  readonly network: MemoryNetwork;
  readonly run: (ms: number) => Promise<void>;
  /** A client that has sent the text. */
  readonly send: (text: string) => Connection;
  readonly failures: () => number;
  readonly inFlight: () => number;
  /** Responses to clients by class of status. */
  readonly statuses: () => readonly number[];
};

/** A gateway before one server, which is given each connection and what came on it so far. */
async function startWorld(
  serve: (connection: Connection, received: string) => void,
  wrap: (network: MemoryNetwork) => Transport = (network) => network,
): Promise<World> {
  const network = new MemoryNetwork({
    random: seededRandom(7),
    delayMsMax: 5,
    windowBytes: WINDOW_BYTES,
  });
  const upstreams = new UpstreamSet();
  const gateway = new Gateway({
    config: gatewayConfig({ listen: [{ id: 'test', host: '127.0.0.1', port: 80 }] }),
    upstreams,
    transport: wrap(network),
    now: () => network.nowMs,
  });
  const servers = [serverState(9001)];
  gateway.apply({
    generation: 1,
    upstreams: [{ name: 'app', balancing: ROUND_ROBIN, slowStartMs: 0, servers }],
    removed: [],
  });
  gateway.setRoutes([{ host: '', path: '/', upstream: 'app' }]);
  await gateway.listen();
  await network.listen({ host: '127.0.0.1', port: 9001 }, (connection) => {
    let received = '';
    connection.handler = {
      ...DEAF,
      onData(buffer, start, end) {
        received += buffer.toString('latin1', start, end);
        serve(connection, received);
      },
    };
    serve(connection, received);
  });
  return {
    network,
    run: (ms) => network.run(network.nowMs + ms, () => gateway.tick()),
    send: (text) => {
      const client = network.connect('127.0.0.1', 80, DEAF);
      network.later(() => client.writeText(text), 10);
      return client;
    },
    inFlight: () => upstreams.get('app')?.counters.inFlight ?? -1,
    failures: () => upstreams.get('app')?.servers[0]?.counters.failures ?? -1,
    statuses: () => upstreams.get('app')?.counters.statuses ?? [],
  };
}

function post(bytes: number): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
}

test('a server that does not take the rest of a whole body is not blamed', async () => {
  const world = await startWorld((connection) => connection.pause());
  world.send(post(WINDOW_BYTES + 1000));
  await world.run(200_000);
  assert.equal(world.failures(), 0);
});

test('a server that does not answer a request that it has taken is blamed', async () => {
  const world = await startWorld(() => {});
  world.send(post(1000));
  await world.run(200_000);
  assert.equal(world.failures(), 1);
});

test('a server that resets before the first byte was written is blamed', async () => {
  const refuseWrites = (network: MemoryNetwork): Transport => ({
    listen: (options, onConnection) => network.listen(options, onConnection),
    connect(host, port, handler): Connection {
      const connection = network.connect(host, port, handler);
      connection.write = () => {
        (connection as Connection & { fail(code: string): void }).fail('ECONNRESET');
        return false;
      };
      return connection;
    },
  });
  const world = await startWorld(() => {}, refuseWrites);
  world.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await world.run(1000);
  assert.equal(world.failures(), 1);
});

test('a slow client excuses the response that it was slow with, not those that follow', async () => {
  const world = await startWorld((connection, received) => {
    if (!received.endsWith('\r\n\r\n')) return;
    if (received.includes('/second')) {
      connection.writeText('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
      return connection.end();
    }
    connection.writeText(`HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n${'y'.repeat(400_000)}`);
  });
  const slow = world.send('GET /first HTTP/1.1\r\nHost: a\r\n\r\n');
  slow.pause();
  await world.run(2000);
  slow.resume();
  await world.run(2000);
  slow.writeText('GET /second HTTP/1.1\r\nHost: a\r\n\r\n');
  await world.run(2000);
  assert.equal(world.failures(), 1);
});

test('a body of a byte per second is refused, and the server is free', async () => {
  const world = await startWorld(() => {});
  const client = world.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n');
  for (let second = 0; second < 15; second += 1) {
    client.writeText('x');
    await world.run(1000);
  }
  assert.deepEqual(world.statuses().slice(1), [0, 0, 0, 0, 0], 'no answer of a server');
  assert.equal(world.failures(), 0);
  assert.equal(world.inFlight(), 0);
});

test('a body that waits for the server is not too slow', async () => {
  let server: Connection | undefined;
  const world = await startWorld((connection, received) => {
    if (server === undefined) connection.pause();
    server = connection;
    if (received.length > 100_000)
      connection.writeText('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  });
  world.send(post(100_000));
  await world.run(50_000);
  assert.equal(world.inFlight(), 1);
  server?.resume();
  await world.run(5000);
  assert.equal(world.statuses()[2], 1);
});
