// A gateway with as many clients or sockets as it may have: idle server connections give way first, then
// whoever comes is told so, and so is the log, with the true number.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import {
  RawClient,
  rawExchange,
  startGateway,
  startHello,
  startRawServer,
} from '../../test/support/gateway/builders.ts';
import { type Log, silentLog } from '../base/log.ts';
import { descriptorsFor, socketRoom } from './listener.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const CLOSE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/** The lines of a log, each with these of its fields. */
function recorder(...names: readonly string[]): { readonly log: Log; readonly said: string[] } {
  const said: string[] = [];
  const warn: Log['warn'] = (fields, message) =>
    said.push([message, ...names.map((name) => `${name} ${fields[name]}`)].join(', '));
  return { log: { ...silentLog, warn }, said };
}

/** Room for seven sockets, five of them clients, and one that is turned away. */
const SEVEN = { max: () => 64, open: () => 0 };

test('clients too many get 503 each, and the log says their number', async (t) => {
  const { log, said } = recorder('turnedAway', 'turnedAwayTotal', 'clientsMax');
  let nowMs = 0;
  const { port, gateway } = await startGateway(
    t,
    [],
    { limits: { connectionsMax: 1 }, timeouts: { clientHeaderMs: 600_000 } },
    undefined,
    { log, now: () => nowMs },
  );
  // Accepted before the next ones: the kernel hands them over in order.
  new RawClient(t, port);
  const refused = (): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    return text(socket);
  };
  // More than may linger at once: those that are there longest make room.
  const answers = await Promise.all(Array.from({ length: 200 }, refused));
  for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 503 /);
  assert.deepEqual(said, [], 'a burst is one line');
  const line =
    'clients turned away with 503: as many are connected as max_connections allows; raise it';
  nowMs += 1200;
  gateway.tick();
  assert.deepEqual(said, [`${line}, turnedAway 200, turnedAwayTotal 200, clientsMax 1`]);
  await refused();
  await refused();
  nowMs += 5000;
  gateway.tick();
  assert.equal(said.length, 1, 'not every second');
  nowMs += 6000;
  gateway.tick();
  assert.equal(said[1], `${line}, turnedAway 2, turnedAwayTotal 202, clientsMax 1`);
  await refused();
  gateway.destroy();
  assert.equal(said[2], `${line}, turnedAway 1, turnedAwayTotal 203, clientsMax 1`);
});

test('by default most of the descriptors are for clients, and a number that cannot hold does not', async (t) => {
  for (const [max, least, connectionsMax] of [
    [20_000, 10_000, 0],
    [20_000, 10_000, 10_000],
    [256, 128, 0],
    [256, 128, 1000],
  ] as const) {
    const descriptors = { max: () => max, open: () => 30 };
    const limits = { connectionsMax };
    const { gateway } = await startGateway(t, [], { limits }, undefined, { descriptors });
    const { clientsMax } = gateway.figures();
    assert.ok(clientsMax >= least && clientsMax < max, `${clientsMax} of ${max}`);
  }
});

for (const clients of [1, 10, 157, 1000, 10_000, 1_000_000]) {
  test(`the limit that is advised for ${clients} clients holds them`, () => {
    const max = descriptorsFor(clients);
    assert.ok(socketRoom(max).clients >= clients);
    assert.ok(max < clients * 2 + 200);
  });
}

test('the clients turned away for want of descriptors are told which limit to raise', async (t) => {
  const { log, said } = recorder('turnedAway');
  const { port, gateway } = await startGateway(
    t,
    [],
    { limits: { connectionsMax: 6 } },
    undefined,
    { log, descriptors: SEVEN },
  );
  assert.equal(gateway.figures().clientsMax, 5);
  for (let count = 0; count < 5; count += 1) new RawClient(t, port);
  assert.match(await new RawClient(t, port).ended(), /^HTTP\/1\.1 503 /);
  gateway.destroy();
  assert.match(
    said.join(),
    /no descriptors left for them; raise the limit of open files .*, turnedAway 1$/,
  );
});

test('files that the process opens elsewhere leave less room', async (t) => {
  const descriptors = { max: () => 256, open: () => 30 };
  const { gateway } = await startGateway(t, [], {}, undefined, { descriptors });
  const before = gateway.figures().clientsMax;
  descriptors.open = () => 130;
  assert.ok(gateway.figures().clientsMax <= before - 50);
});

test('without room the connection that has idled longest gives way, whosever it is', async (t) => {
  const servers = [await startHello(t), await startHello(t), await startHello(t)];
  const { port, gateway, upstreams } = await startGateway(
    t,
    servers.map((server) => server.port),
    {},
    undefined,
    { descriptors: SEVEN },
  );
  const client = new RawClient(t, port);
  let answers = 0;
  const ask = async (): Promise<void> => {
    answers += 1;
    client.send(GET);
    await client.until((all) => all.split('hello').length === answers + 1);
  };
  for (let count = 0; count < 3; count += 1) await ask();
  assert.deepEqual(gateway.figures().upstreams, [{ name: 'app', idle: 3, inUse: 0, connects: 3 }]);
  for (let count = 0; count < 3; count += 1) new RawClient(t, port);
  // A client is never refused because of connections that idle.
  const last = new RawClient(t, port).send(GET);
  await last.until((all) => all.includes('hello'));
  const { evicted, turnedAway } = gateway.figures();
  assert.deepEqual({ evicted, turnedAway }, { evicted: 2, turnedAway: 0 });
  const oldest = servers[0]?.connections[0];
  if (oldest?.closed === false) await once(oldest, 'close');
  assert.deepEqual(
    servers.map(({ connections }) => connections.length),
    [2, 1, 1],
    'the first server was asked again, on a new connection',
  );
  assert.equal(upstreams.get('app')?.counters.lost, 0);
});

test('a client for whom busy server connections leave no descriptor is not told of max_connections', async (t) => {
  const { log, said } = recorder('turnedAway');
  const server = await startRawServer(t, () => {});
  const patch = { limits: { connectionsMax: 5 } };
  const { port, gateway } = await startGateway(t, [server.port], patch, undefined, {
    log,
    descriptors: SEVEN,
  });
  for (let count = 0; count < 3; count += 1) new RawClient(t, port).send(GET);
  await server.until(() => server.received.filter((head) => head !== '').length === 3);
  new RawClient(t, port);
  assert.match(await new RawClient(t, port).ended(), /^HTTP\/1\.1 503 /);
  gateway.destroy();
  assert.match(said.join(), /no descriptors left for them/);
});

test('with every socket in use a request gets 503, nobody is blamed, and the log says it', async (t) => {
  const { log, said } = recorder('requests', 'serverConnections');
  const server = await startRawServer(t, () => {});
  const { port, gateway, upstreams } = await startGateway(t, [server.port], {}, undefined, {
    log,
    descriptors: SEVEN,
  });
  const busy = [1, 2, 3].map(() => new RawClient(t, port).send(GET));
  await server.until(() => server.received.filter((head) => head !== '').length === 3);
  assert.match(await rawExchange(t, port, CLOSE), /^HTTP\/1\.1 503 /);
  assert.equal(gateway.figures().noSocket, 1);
  assert.deepEqual(gateway.figures().upstreams, [{ name: 'app', idle: 0, inUse: 3, connects: 3 }]);
  const app = upstreams.get('app');
  assert.equal(app?.servers[0]?.counters.failures, 0);
  assert.equal(app?.servers[0]?.inFlight, 3);
  // The others still get their answers, and then there is room again.
  for (const socket of server.connections) {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  }
  for (const client of busy) await client.until((all) => all.includes('ok'));
  const next = new RawClient(t, port).send(GET);
  await server.until(() => server.received.some((all) => all.split('GET').length > 2));
  assert.equal(next.text, '');
  gateway.destroy();
  assert.match(said.join(), /requests answered 503: no descriptor left .*, requests 1, server/);
});

test('a connection that becomes idle just after the last room was asked for is not lost count of', async (t) => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  const server = await startRawServer(t, (socket, _received, connection) => {
    if (connection > 2) socket.write(answer);
  });
  const { port, gateway } = await startGateway(t, [server.port], {}, undefined, {
    descriptors: SEVEN,
  });
  const late = new RawClient(t, port);
  await once(late.socket, 'connect');
  const busy = new RawClient(t, port).send(GET);
  await server.until(() => server.received[0]?.endsWith('\r\n\r\n') === true);
  for (let count = 0; count < 2; count += 1) new RawClient(t, port).send(GET);
  await server.until(() => server.received.filter((head) => head !== '').length === 3);
  // Both are there before the gateway looks: it finds no room, and a free connection right after.
  late.send(GET);
  server.connections[0]?.write(answer);
  await busy.until((all) => all.includes('ok'));
  await late.until((all) => all.startsWith('HTTP/1.1 '));
  assert.deepEqual(gateway.figures().upstreams, [{ name: 'app', idle: 1, inUse: 2, connects: 3 }]);
});
