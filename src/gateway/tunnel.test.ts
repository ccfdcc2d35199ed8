// How tunnels are counted: opened, ended or cut, and never among the requests that wait.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  RawClient,
  serverState,
  startGateway,
  startRawServer,
  type TestGateway,
} from '../../test/support/gateway/builders.ts';
import { openTunnels } from '../model.ts';

type Open = {
  readonly gateway: TestGateway;
  readonly client: RawClient;
  /** The server's end of the tunnel. */
  readonly server: Socket;
  readonly port: number;
};

async function openTunnel(t: TestContext, protocol = 'websocket'): Promise<Open> {
  const opened = Promise.withResolvers<Socket>();
  const raw = await startRawServer(t, (socket, received) => {
    if (!received.endsWith('\r\n\r\n')) return;
    socket.write(`HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    opened.resolve(socket);
  });
  const gateway = await startGateway(t, [raw.port], { upgrade: ['websocket', 'other'] });
  gateway.upstreams.get('app')?.openGap('r', 0);
  const client = new RawClient(t, gateway.port);
  client.socket.on('end', () => client.socket.end());
  client.send(`GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
  await client.until((text) => text.includes('\r\n\r\n'));
  const server = await opened.promise;
  return { gateway, client, server, port: raw.port };
}

function countsOf({ gateway }: Open): Record<string, number> {
  const app = gateway.upstreams.get('app');
  assert(app !== undefined);
  const { requests, answered, inFlight, clientGone, tunnels, tunnelsEnded, tunnelsCut } =
    app.counters;
  const [server] = app.servers;
  assert.deepEqual(
    [server?.counters.tunnels, server?.counters.tunnelsEnded, server?.counters.tunnelsCut],
    [tunnels, tunnelsEnded, tunnelsCut],
    'the server has the same',
  );
  assert.equal(requests, answered + inFlight + clientGone);
  return { answered, open: openTunnels(app.counters), ended: tunnelsEnded, cut: tunnelsCut };
}

/** Until nothing is in flight on the server. */
async function settled(open: Open): Promise<Record<string, number>> {
  const server = open.gateway.upstreams.get('app')?.servers[0];
  while (server !== undefined && server.inFlight > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return countsOf(open);
}

const CLOSE = '\x88\x02\x03\xe8';
const MASKED_CLOSE = '\x88\x82\x00\x00\x00\x00\x03\xe8';

const ENDS: readonly {
  readonly name: string;
  readonly isCut: boolean;
  readonly protocol?: string;
  readonly end: (open: Open) => void;
}[] = [
  { name: 'the server is gone', isCut: true, end: ({ server }) => server.destroy() },
  { name: 'the server resets', isCut: true, end: ({ server }) => server.resetAndDestroy() },
  {
    name: 'the server sends a Close frame',
    isCut: false,
    end: ({ server }) => server.end(CLOSE, 'latin1'),
  },
  {
    name: 'the server goes in the middle of a message that looks like one',
    isCut: true,
    end: ({ server }) => server.end(`\x82\x10${CLOSE}`, 'latin1'),
  },
  { name: 'the client leaves', isCut: false, end: ({ client }) => client.socket.end() },
  { name: 'the client resets', isCut: false, end: ({ client }) => client.socket.resetAndDestroy() },
  {
    name: 'the server goes after the client has sent a Close frame',
    isCut: false,
    end: ({ client, server }) => {
      server.once('data', () => server.destroy());
      client.send(MASKED_CLOSE);
    },
  },
  {
    name: 'a server in traffic ends another protocol',
    protocol: 'other',
    isCut: false,
    end: ({ server }) => server.end(),
  },
  {
    name: 'a server resets another protocol',
    protocol: 'other',
    isCut: true,
    end: ({ server }) => server.resetAndDestroy(),
  },
  {
    name: 'a drained server ends another protocol',
    protocol: 'other',
    isCut: true,
    end: ({ gateway, server, port }) => {
      gateway.setServers([serverState(port, { admin: 'drain' })]);
      server.end();
    },
  },
  {
    name: 'a server that left the list ends another protocol',
    protocol: 'other',
    isCut: true,
    end: ({ gateway, server }) => {
      gateway.setServers([]);
      server.end();
    },
  },
  { name: 'the gateway stops', isCut: true, end: ({ gateway }) => gateway.gateway.destroy() },
];

for (const { name, isCut, protocol, end } of ENDS) {
  test(`a tunnel ${isCut ? 'is cut' : 'has ended'} when ${name}`, async (t) => {
    const open = await openTunnel(t, protocol);
    assert.deepEqual(countsOf(open), { answered: 1, open: 1, ended: 0, cut: 0 });
    const app = open.gateway.upstreams.get('app');
    const server = app?.servers[0];
    end(open);
    while (server !== undefined && server.inFlight > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const ended = server?.counters.tunnelsEnded;
    const cut = server?.counters.tunnelsCut;
    assert.deepEqual([ended, cut], isCut ? [0, 1] : [1, 0]);
    assert.deepEqual([app?.counters.tunnelsEnded, app?.counters.tunnelsCut], [ended, cut]);
  });
}

test('a tunnel in which nothing is said has ended', async (t) => {
  const raw = await startRawServer(t, (socket) => {
    socket.write('HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
  const gateway = await startGateway(t, [raw.port], { timeouts: { tunnelMs: 100 } });
  const client = new RawClient(t, gateway.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  await client.ended();
  const counters = gateway.upstreams.get('app')?.counters;
  assert.deepEqual([counters?.tunnelsEnded, counters?.tunnelsCut], [1, 0]);
});

test('an open tunnel is answered, in flight on its server, and no gap', async (t) => {
  const open = await openTunnel(t);
  const app = open.gateway.upstreams.get('app');
  assert.equal(app?.servers[0]?.inFlight, 1);
  assert.equal(app?.counters.inFlight, 0);
  const gapMs = app?.readGap('r', performance.now()) ?? -1;
  assert.equal(app?.readGap('r', performance.now() + 60_000), gapMs, 'it does not grow');
  open.client.socket.destroy();
  assert.deepEqual(await settled(open), { answered: 1, open: 0, ended: 1, cut: 0 });
});
