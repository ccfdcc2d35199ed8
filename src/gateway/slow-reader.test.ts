// Peers that read late, or never: what waits in our memory then, and what becomes of it. On the
// simulated network, where a window has an exact size.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayConfig, serverState } from '../../test/support/gateway/builders.ts';
import { MemoryNetwork } from '../../test/support/gateway/memory-network.ts';
import { ROUND_ROBIN } from '../model.ts';
import { UpstreamSet } from '../upstream.ts';
import { Gateway } from './gateway.ts';
import { type Connection, type ConnectionHandler, DEAF } from './transport.ts';

const SEND_MS = 5000;
const WINDOW = 1000;
const BODY = 'x'.repeat(10_000);

/** One end of a connection that writes down what it sees. */
class Recorder implements ConnectionHandler {
  text = '';
  isEnded = false;
  error: string | undefined;
  readonly connection: Connection;
  readonly #onText: (recorder: Recorder) => void;

  constructor(connection: Connection, onText: (recorder: Recorder) => void = () => {}) {
    this.connection = connection;
    this.#onText = onText;
    connection.handler = this;
  }

  onConnect(): void {}
  onDrain(): void {}
  onData(buffer: Buffer, start: number, end: number): void {
    this.text += buffer.toString('latin1', start, end);
    this.#onText(this);
  }
  onEnd(): void {
    this.isEnded = true;
  }
  onClose(error: string): void {
    this.error = error;
  }
}

type World = {
  readonly client: Recorder;
  readonly servers: readonly Recorder[];
  readonly upstreams: UpstreamSet;
  readonly gateway: Gateway;
  /** Lets this much virtual time pass. */
  readonly pass: (ms: number) => Promise<void>;
};

/** How much of a piece one read takes: all of it below 0.5, else this part. */
type Reads = { part: number };
const WHOLE: Reads = { part: 0 };

/** `isOpen`: upstream app has its server. */
async function startWorld(
  onRequest: (server: Recorder) => void,
  { isOpen = true, reads = WHOLE } = {},
): Promise<World> {
  const network = new MemoryNetwork({
    random: () => reads.part,
    delayMsMax: 1,
    windowBytes: WINDOW,
  });
  const upstreams = new UpstreamSet();
  const gateway = new Gateway({
    config: gatewayConfig({
      listen: [{ id: 'test', host: '127.0.0.1', port: 80 }],
      timeouts: { sendMs: SEND_MS, lingeringMs: 1000 },
    }),
    upstreams,
    transport: network,
    now: () => network.nowMs,
  });
  const admin = isOpen ? 'ready' : 'drain';
  const servers = [serverState(9001, { admin })];
  const upstream = { name: 'app', balancing: ROUND_ROBIN, slowStartMs: 0, servers } as const;
  gateway.apply({ generation: 1, upstreams: [upstream], removed: [] });
  gateway.setRoutes([{ host: '', path: '/', upstream: 'app' }]);
  await gateway.listen();
  const accepted: Recorder[] = [];
  await network.listen({ host: '127.0.0.1', port: 9001 }, (connection) => {
    accepted.push(new Recorder(connection, onRequest));
  });
  const pass = (ms: number): Promise<void> => network.run(network.nowMs + ms, () => gateway.tick());
  const client = new Recorder(network.connect('127.0.0.1', 80, DEAF));
  await pass(10);
  return { client, servers: accepted, upstreams, gateway, pass };
}

const LENGTH = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
/** For an http/1.0 client its end is the end of the connection. */
const CHUNKED = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;

const REQUESTS: Readonly<Record<string, string>> = {
  'keeps the connection': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'ends the connection': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'speaks http/1.0': 'GET / HTTP/1.0\r\n\r\n',
};

/** A world in which the whole answer was written and waits for the client. */
async function startUnread(request: string, response: string, reads = WHOLE): Promise<World> {
  const world = await startWorld(
    (server) => {
      server.connection.writeText(response);
    },
    { reads },
  );
  world.client.connection.pause();
  world.client.connection.writeText(request);
  await world.pass(100);
  return world;
}

for (const [name, request] of Object.entries(REQUESTS)) {
  for (const response of [LENGTH, CHUNKED]) {
    const framing = response === LENGTH ? 'with a length' : 'chunked';
    test(`half-closes while the answer (${framing}) waits, ${name}: gets all of it`, async () => {
      const { client, gateway, pass, upstreams } = await startUnread(request, response);
      assert.equal(upstreams.get('app')?.counters.answered, 1, 'the answer was not on its way');
      client.connection.end();
      await pass(100);
      client.connection.resume();
      await pass(100);
      assert.ok(client.isEnded);
      assert.equal(client.text.replace(/[^x]/g, '').length, BODY.length);
      await pass(5000);
      assert.equal(gateway.connections(), 0);
    });
  }

  test(`never reads its answer, ${name}: is reset, so that nothing looks complete`, async () => {
    const { client, gateway, pass } = await startUnread(request, LENGTH);
    await pass(SEND_MS * 3);
    assert.equal(client.error, 'ECONNRESET');
    assert.equal(gateway.connections(), 0);
  });
}

test('reads slowly, but reads: is never cut, in the end of its last answer neither', async () => {
  const reads = { part: 0 };
  const request = REQUESTS['speaks http/1.0'] ?? '';
  const { client, pass, upstreams } = await startUnread(request, CHUNKED, reads);
  assert.equal(upstreams.get('app')?.counters.answered, 1, 'the answer was not on its way');
  reads.part = 0.51;
  let rounds = 0;
  for (; !client.isEnded && client.error === undefined; rounds += 1) {
    client.connection.resume();
    await pass(1);
    client.connection.pause();
    await pass(SEND_MS * 0.4);
  }
  assert.ok(rounds > 3, 'too quick to show anything');
  assert.equal(client.text.replace(/[^x]/g, '').length, BODY.length);
});

test('answers of our own wait in the pipe, not in memory', async () => {
  const { client, pass, upstreams } = await startWorld(() => {}, { isOpen: false });
  client.connection.pause();
  const total = 500;
  client.connection.writeText((REQUESTS['keeps the connection'] ?? '').repeat(total));
  await pass(200);
  const counters = upstreams.get('app')?.counters;
  assert.ok((counters?.lost ?? 0) < 20, `${counters?.lost} answers for a client that reads none`);
  client.connection.resume();
  await pass(3000);
  assert.equal(client.text.split('HTTP/1.1 503').length - 1, total);
});

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';

async function startTunnel(): Promise<World & { readonly server: Recorder }> {
  const world = await startWorld((server) => {
    if (server.text.endsWith('\r\n\r\n')) server.connection.writeText(SWITCH);
  });
  world.client.connection.writeText(UPGRADE);
  await world.pass(100);
  const [server] = world.servers;
  assert.ok(server !== undefined && world.client.text === SWITCH);
  return { ...world, server };
}

for (const isServerFirst of [true, false]) {
  test(`a tunnel that the ${isServerFirst ? 'server' : 'client'} ends first delivers everything`, async () => {
    const { client, gateway, pass, server, upstreams } = await startTunnel();
    const [first, last] = isServerFirst ? [server, client] : [client, server];
    first.connection.writeText('bye');
    first.connection.end();
    await pass(100);
    assert.ok(last.text.endsWith('bye') && last.isEnded);
    assert.equal(upstreams.get('app')?.servers[0]?.inFlight, 1);
    first.connection.pause();
    // Too much for the pipe, too little for the writer to be stopped.
    const rest = 'x'.repeat(WINDOW * 1.2);
    last.connection.writeText(rest);
    last.connection.end();
    await pass(100);
    first.connection.resume();
    await pass(100);
    assert.ok(first.text.endsWith(rest), `${first.text.length} bytes`);
    await pass(3000);
    assert.equal(gateway.connections(), 0);
    assert.equal(upstreams.get('app')?.servers[0]?.inFlight, 0);
    assert.equal(upstreams.get('app')?.counters.answered, 1);
  });

  test(`a tunnel whose ${isServerFirst ? 'server' : 'client'} reads late waits for it, and then goes on`, async () => {
    const { client, pass, server } = await startTunnel();
    const [late, sender] = isServerFirst ? [server, client] : [client, server];
    late.connection.pause();
    const piece = 'x'.repeat(WINDOW);
    for (let count = 0; count < 20; count += 1) sender.connection.writeText(piece);
    await pass(1000);
    const held = sender.connection.pendingBytes;
    assert.ok(held > 10 * WINDOW, `all but ${held} bytes are somewhere in between`);
    late.connection.resume();
    await pass(1000);
    assert.ok(late.text.endsWith(piece.repeat(20)), `${late.text.length} bytes`);
  });

  test(`a tunnel that the ${isServerFirst ? 'server' : 'client'} resets is reset on the other side`, async () => {
    const { client, gateway, pass, server, upstreams } = await startTunnel();
    const [first, last] = isServerFirst ? [server, client] : [client, server];
    first.connection.reset();
    await pass(3000);
    assert.equal(last.error, 'ECONNRESET');
    assert.equal(gateway.connections(), 0);
    assert.equal(upstreams.get('app')?.servers[0]?.inFlight, 0);
  });
}

test('a client that does not read stops a flood of interim responses', async () => {
  const interim = `HTTP/1.1 103 Early Hints\r\nX: ${'x'.repeat(5000)}\r\n\r\n`;
  const { client, servers, pass } = await startWorld((server) => {
    for (let count = 0; count < 90; count += 1) server.connection.writeText(interim);
    server.connection.writeText(LENGTH);
  });
  client.connection.pause();
  client.connection.writeText(REQUESTS['keeps the connection'] ?? '');
  await pass(1000);
  const held = servers[0]?.connection.pendingBytes ?? 0;
  assert.ok(held > 80 * interim.length, `the server could send all but ${held} bytes`);
  client.connection.resume();
  await pass(10_000);
  assert.equal(client.text.split('HTTP/1.1 103 ').length - 1, 90);
  assert.ok(client.text.endsWith(BODY));
});

test('a server connection that an interim response stopped is read again afterwards', async () => {
  const { client, servers, pass } = await startWorld((server) => {
    const hint = `HTTP/1.1 103 Early Hints\r\nX: ${'x'.repeat(WINDOW)}\r\n\r\n`;
    server.connection.writeText(`${hint}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
  });
  client.connection.pause();
  for (let round = 1; round <= 3; round += 1) {
    client.connection.writeText(REQUESTS['keeps the connection'] ?? '');
    await pass(100);
    client.connection.resume();
    await pass(500);
    client.connection.pause();
    assert.equal(client.text.split('\r\n\r\nok').length - 1, round);
  }
  assert.equal(servers.length, 1, 'one connection to the server did');
});

test('the answers before one that is cut arrive whole; the cut shows in the framing', async () => {
  const { client, servers, pass } = await startWorld((server) => {
    const requests = server.text.split('\r\n\r\n').length - 1;
    if (requests === 1) server.connection.writeText(LENGTH);
    else {
      server.connection.writeText('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello');
      server.connection.end();
    }
  });
  client.connection.pause();
  client.connection.writeText((REQUESTS['keeps the connection'] ?? '').repeat(2));
  await pass(1000);
  client.connection.resume();
  await pass(1000);
  assert.ok(client.text.includes(LENGTH), 'the first answer is not whole');
  assert.ok(client.text.endsWith('hello') && client.isEnded, client.text.slice(-100));
  assert.ok(servers.length > 0);
});

test('half a request body behind another request costs that one nothing', async () => {
  const { client, pass } = await startWorld((server) => {
    if (!server.text.includes('POST')) server.connection.writeText(LENGTH);
  });
  client.connection.pause();
  const half = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhal';
  client.connection.writeText(`${REQUESTS['keeps the connection']}${half}`);
  client.connection.end();
  await pass(1000);
  client.connection.resume();
  await pass(1000);
  assert.ok(client.text.startsWith(LENGTH), `${client.text.length} bytes`);
  assert.ok(client.isEnded);
});

test('when a server catches up with a body, no more is taken of the requests behind it', async () => {
  const { client, servers, pass } = await startWorld((server) => server.connection.pause());
  const body = 'x'.repeat(10 * WINDOW);
  const get = REQUESTS['keeps the connection'] ?? '';
  const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${2 + body.length}\r\n\r\n`;
  client.connection.writeText(`${post}hi`);
  await pass(100);
  client.connection.writeText(`${body}${get}`);
  for (let count = 0; count < 20; count += 1) client.connection.writeText(get.repeat(100));
  await pass(1000);
  const [server] = servers;
  const held = client.connection.pendingBytes;
  assert.ok(held > 10 * get.length * 100, `${held} bytes`);
  server?.connection.resume();
  await pass(10);
  for (let turns = 0; turns < 100; turns += 1) {
    server?.connection.resume();
    await pass(10);
  }
  assert.ok(server?.text.endsWith(body), `${server?.text.length} bytes`);
  assert.equal(client.connection.pendingBytes, held);
});
