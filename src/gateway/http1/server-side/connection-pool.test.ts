// How many idle connections are kept, and what happens when the system has no descriptor.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../../../../test/support/base/random.ts';
import {
  type GatewayPatch,
  gatewayConfig,
  RawClient,
  rawExchange,
  serverState,
  startGateway,
  startHello,
  startRawServer,
} from '../../../../test/support/gateway/builders.ts';
import { createUpstream } from '../../../../test/support/upstream/builders.ts';
import type { GatewayOptions } from '../../../gateway.ts';
import type { Server } from '../../../upstream.ts';
import { Sockets } from '../../listener.ts';
import { SecuredUpstreams } from '../../secured-upstreams.ts';
import type { ConnectionHandler, Transport } from '../../transport.ts';
import { nodeTransport } from '../../transport.ts';
import { Wheel } from '../../wheel.ts';
import { ConnectionPool, type Place } from './connection-pool.ts';
import type { ServerConnection } from './server-connection.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** Clients that ask all at once; the server answers when it has as many requests as were announced. */
async function crowd(t: TestContext, patch: GatewayPatch, options: Partial<GatewayOptions> = {}) {
  let wanted = 0;
  let waiting: (() => void)[] = [];
  const server = await startRawServer(t, (socket) => {
    waiting.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    if (waiting.length < wanted) return;
    for (const answer of waiting) answer();
    waiting = [];
  });
  const { gateway, port } = await startGateway(t, [server.port], patch, undefined, options);
  const clients: RawClient[] = [];
  const asked: number[] = [];
  const ask = async (count: number): Promise<void> => {
    wanted = count;
    while (clients.length < count) {
      clients.push(new RawClient(t, port));
      asked.push(0);
    }
    await Promise.all(
      clients.slice(0, count).map((client, at) => {
        const answers = (asked[at] ?? 0) + 1;
        asked[at] = answers;
        client.send(GET);
        return client.until((text) => text.split('ok').length === answers + 1);
      }),
    );
  };
  const figures = () => gateway.figures().upstreams[0];
  return { gateway, ask, figures };
}

test('a steady load never reconnects, whatever its size', async (t) => {
  const { ask, figures } = await crowd(t, {});
  for (let round = 0; round < 3; round += 1) await ask(200);
  assert.deepEqual(figures(), { name: 'app', idle: 200, inUse: 0, connects: 200 });
});

test('an old peak is forgotten after two windows, a small load keeps what it had', async (t) => {
  let nowMs = 0;
  const { gateway, ask, figures } = await crowd(
    t,
    { timeouts: { upstreamKeepaliveMs: 600_000 } },
    { now: () => nowMs },
  );
  const pass = (ms: number): void => {
    for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 100) gateway.tick();
  };
  await ask(100);
  await ask(10);
  assert.equal(figures()?.idle, 100, 'the peak of a window is not its end');
  pass(16_000);
  await ask(50);
  assert.equal(figures()?.idle, 100, 'the window before still counts');
  pass(15_000);
  assert.equal(figures()?.idle, 50);
  pass(40_000);
  assert.equal(figures()?.idle, 32);
  await ask(32);
  assert.equal(figures()?.connects, 100);
});

for (const upstreamKeepalive of [0, 1, 3]) {
  test(`upstream_keepalive ${upstreamKeepalive} is what idles at most`, async (t) => {
    const { ask, figures } = await crowd(t, { limits: { upstreamKeepalive } });
    await ask(5);
    assert.deepEqual(figures(), { name: 'app', idle: upstreamKeepalive, inUse: 0, connects: 5 });
    await ask(5);
    assert.equal(figures()?.connects, 10 - upstreamKeepalive);
  });
}

for (const [what, patch] of [
  ['is drained', { admin: 'drain' }],
  ['is in maint', { admin: 'maint' }],
  ['is down', { checks: 'down' }],
  ['is gone', undefined],
] as const) {
  test(`a server that ${what} keeps no connection, idle or in flight`, async (t) => {
    const answers: (() => void)[] = [];
    const server = await startRawServer(t, (socket) => {
      answers.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    const { gateway, port, setServers } = await startGateway(t, [server.port]);
    const clients = [new RawClient(t, port).send(GET), new RawClient(t, port).send(GET)];
    await server.until(() => answers.length === 2);
    answers[0]?.();
    await Promise.race(clients.map((client) => client.until((text) => text.includes('ok'))));
    const figures = () => gateway.figures().upstreams[0];
    assert.deepEqual(figures(), { name: 'app', idle: 1, inUse: 1, connects: 2 });
    setServers(patch === undefined ? [] : [serverState(server.port, patch)]);
    assert.deepEqual(figures(), { name: 'app', idle: 0, inUse: 1, connects: 2 });
    answers[1]?.();
    await Promise.all(clients.map((client) => client.until((text) => text.includes('ok'))));
    assert.deepEqual(figures(), { name: 'app', idle: 0, inUse: 0, connects: 2 });
  });
}

test('another upstream_keepalive holds from the reload on', async (t) => {
  const { gateway, ask, figures } = await crowd(t, {});
  await ask(5);
  gateway.configure(gatewayConfig({ limits: { upstreamKeepalive: 2 } }));
  assert.equal(figures()?.idle, 2);
  await ask(5);
  assert.equal(figures()?.idle, 2);
});

test('a server that comes back while a request is in flight keeps that connection', async (t) => {
  const answers: (() => void)[] = [];
  const server = await startRawServer(t, (socket) => {
    answers.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  });
  const { gateway, port, setServers } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port);
  for (const times of [1, 2]) {
    client.send(GET);
    await server.until(() => answers.length === times);
    setServers([]);
    setServers([serverState(server.port)]);
    answers[times - 1]?.();
    await client.until((text) => text.split('ok').length === times + 1);
  }
  assert.deepEqual(gateway.figures().upstreams, [{ name: 'app', idle: 1, inUse: 0, connects: 1 }]);
  setServers([]);
  assert.equal(gateway.figures().upstreams[0]?.idle, 0);
});

test('servers that are gone are forgotten, whether they were idle or in use then', async (t) => {
  const answers: (() => void)[] = [];
  const server = await startRawServer(t, (socket) => {
    answers.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  });
  const { port, setServers, upstreams } = await startGateway(t, [server.port]);
  const current = (): WeakRef<Server> => new WeakRef(upstreams.get('app')?.servers[0] as Server);
  const client = new RawClient(t, port);
  const use = async (times: number, meanwhile: () => void): Promise<void> => {
    client.send(GET);
    await server.until(() => answers.length === times);
    meanwhile();
    answers[times - 1]?.();
    await client.until((text) => text.split('ok').length === times + 1);
  };
  const idle = current();
  await use(1, () => {});
  setServers([]);
  setServers([serverState(server.port)]);
  const inUse = current();
  await use(2, () => setServers([]));
  // Another request, so that nothing is left of that one on its way.
  setServers([serverState(server.port)]);
  await use(3, () => {});
  // As who reports does.
  upstreams.get('app')?.takeNews();
  assert.ok(await isCollected(idle));
  assert.ok(await isCollected(inUse));
});

async function isCollected(ref: WeakRef<object>): Promise<boolean> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 20 && ref.deref() !== undefined; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return ref.deref() === undefined;
}

test('whatever is taken, kept and closed, the newest is taken and the oldest gives way', () => {
  const random = seededRandom(7);
  const sockets = new Sockets({ max: () => 10_000, open: () => 0 }, 0);
  const secured = new SecuredUpstreams();
  const wheel = new Wheel(() => 0);
  const pool = new ConnectionPool({ keepalive: 'auto', sockets, wheel, secured });
  const servers = ['a', 'b', 'c'].map((id) => createUpstream([{ id }]).servers[0] as Server);
  /** Idle ones as they should be, oldest first. */
  let idle: Place[] = [];
  const open = (server: Server): Place => {
    // Of a connection the pool knows no more than this.
    const connection = {
      server,
      connection: {},
      discard(): void {
        idle = idle.filter((other) => other !== place);
        pool.closed(place, true);
      },
    } as unknown as ServerConnection;
    const place: Place = pool.place(connection);
    place.address = '127.0.0.1';
    assert.ok(pool.open(place.pool));
    return place;
  };
  const busy: Place[] = [];
  for (let step = 0; step < 20_000; step += 1) {
    const server = servers[Math.floor(random() * servers.length)] as Server;
    const dice = random();
    if (dice < 0.4) {
      const expected = idle.findLast(({ pool: { server: its } }) => its === server);
      const taken = pool.take(server);
      assert.equal(taken, expected?.connection);
      idle = idle.filter((place) => place !== expected);
      busy.push(expected ?? open(server));
    } else if (dice < 0.8 && busy.length > 0) {
      const [place] = busy.splice(Math.floor(random() * busy.length), 1) as [Place];
      idle.push(place);
      pool.release(place);
    } else if (dice < 0.9 && idle.length > 0) {
      idle[Math.floor(random() * idle.length)]?.connection.discard();
    } else if (dice >= 0.9) {
      const oldest = idle[0];
      const left = idle.length - (oldest === undefined ? 0 : 1);
      assert.equal(pool.evict(), oldest !== undefined);
      assert.equal(idle.length, left);
      assert.ok(oldest === undefined || !idle.includes(oldest));
    }
    const [figures] = [...pool.figures()];
    assert.equal(figures?.idle ?? 0, idle.length);
    assert.equal(figures?.inUse ?? 0, busy.length);
    assert.equal(sockets.servers, idle.length + busy.length);
  }
});

/** Sockets whose `connect` fails with a system code while `failing` says so. */
function failingTransport(failing: () => string): Transport {
  return {
    listen: nodeTransport.listen,
    connect(host, port, handler: ConnectionHandler) {
      const code = failing();
      if (code === '') return nodeTransport.connect(host, port, handler);
      const connection = nodeTransport.connect(host, port, handler);
      connection.handler = { ...handler, onConnect() {}, onClose() {} };
      connection.destroy();
      setImmediate(() => handler.onClose(code));
      return connection;
    },
  };
}

for (const code of ['EMFILE', 'ENFILE']) {
  test(`${code} at connect: the oldest idle connection gives way, and the request is answered`, async (t) => {
    const servers = [await startHello(t), await startHello(t)];
    let fails = 0;
    const transport = failingTransport(() => (fails-- > 0 ? code : ''));
    const ports = servers.map(({ port }) => port);
    const { gateway, port } = await startGateway(t, ports, {}, undefined, { transport });
    const client = new RawClient(t, port).send(GET);
    await client.until((text) => text.includes('hello'));
    fails = 1;
    client.send(GET);
    await client.until((text) => text.split('hello').length === 3);
    const { evicted, noSocket } = gateway.figures();
    assert.deepEqual({ evicted, noSocket }, { evicted: 1, noSocket: 0 });
  });
}

test('after EMFILE at one address of a server, all of them are tried', async (t) => {
  const other = await startHello(t, 'other');
  const server = await startHello(t, 'hello');
  let fails = 0;
  const transport = failingTransport(() => (fails-- > 0 ? 'EMFILE' : ''));
  const addresses = ['127.0.0.3', '127.0.0.1'];
  const servers = [other.port, serverState(server.port, { addresses })];
  const { gateway, port } = await startGateway(t, servers, {}, undefined, { transport });
  const client = new RawClient(t, port).send(GET);
  await client.until((text) => text.endsWith('other'));
  fails = 1;
  client.send(GET);
  await client.until((text) => /(?:hello|other.*other)$/s.test(text));
  assert.match(client.text, /hello$/);
  assert.equal(gateway.figures().evicted, 1);
});

test('EMFILE again and again costs one idle connection, not all of them', async (t) => {
  const servers = await Promise.all([startHello(t), startHello(t), startHello(t), startHello(t)]);
  let code = '';
  const transport = failingTransport(() => code);
  const ports = servers.map(({ port }) => port);
  const { gateway, port } = await startGateway(t, ports, {}, undefined, { transport });
  const client = new RawClient(t, port);
  for (let count = 2; count <= 4; count += 1) {
    client.send(GET);
    await client.until((text) => text.split('hello').length === count);
  }
  code = 'EMFILE';
  client.send(GET);
  await client.until((text) => text.includes('HTTP/1.1 503 '));
  const { evicted, noSocket } = gateway.figures();
  assert.deepEqual({ evicted, noSocket }, { evicted: 1, noSocket: 1 });
});

test('EMFILE again and again is a 503, counted, and not the fault of the server', async (t) => {
  const server = await startHello(t);
  const transport = failingTransport(() => 'EMFILE');
  const { gateway, port, upstreams } = await startGateway(t, [server.port], {}, undefined, {
    transport,
  });
  const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  assert.match(await rawExchange(t, port, request), /^HTTP\/1\.1 503 /);
  assert.equal(gateway.figures().noSocket, 1);
  assert.equal(upstreams.get('app')?.servers[0]?.fails, 0);
  assert.deepEqual(gateway.figures().upstreams, [{ name: 'app', idle: 0, inUse: 0, connects: 1 }]);
});

/** Answers one request per connection; the next one finds it dead. */
function startForgetful(t: TestContext) {
  return startRawServer(t, (socket, received) => {
    if (received.split('GET').length > 2) socket.destroy();
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
}

test('where one idle connection was dead, the others to that server are not tried', async (t) => {
  const server = await startForgetful(t);
  const { gateway, port } = await startGateway(t, [server.port]);
  const clients = [new RawClient(t, port), new RawClient(t, port), new RawClient(t, port)];
  for (const client of clients) client.send(GET);
  for (const client of clients) await client.until((text) => text.endsWith('ok'));
  const last = new RawClient(t, port).send(GET);
  await last.until((text) => text.endsWith('ok'));
  const [figures] = gateway.figures().upstreams;
  assert.deepEqual([figures?.idle, figures?.inUse], [1, 0]);
});

test('nor is an idle one to another server, for that request', async (t) => {
  const servers = [await startForgetful(t), await startForgetful(t)];
  const ports = servers.map(({ port }) => port);
  const { port } = await startGateway(t, ports);
  const client = new RawClient(t, port);
  for (const answers of [1, 2, 3]) {
    client.send(GET);
    await client.until((text) => text.split('ok').length === answers + 1);
  }
  const requests = servers
    .flatMap(({ received }) => received)
    .map((all) => all.split('GET').length - 1);
  assert.deepEqual(requests.toSorted(), [1, 1, 2], 'one of the two met a dead connection');
});
