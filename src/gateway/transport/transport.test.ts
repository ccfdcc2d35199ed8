// What every transport owes the gateway, on real sockets; and which one is chosen.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { until } from '../../../test/support/base/until.ts';
import { anyGate, TRANSPORTS } from '../../../test/support/gateway/transports.ts';
import { chooseTransport } from './choice.ts';
import { type Connection, type ConnectionHandler, NO_BYTES, type Transport } from './connection.ts';
import { eventNow } from './event-clock.ts';
import { type Handles, openHandles } from './handles.ts';
import { nodeTransport } from './node-transport.ts';
import { openRawTransport } from './raw-transport.ts';

/** What a connection says, in the order in which it does. */
function recorder(events: string[]): ConnectionHandler {
  return {
    onConnect: () => void events.push('connect'),
    onData: (buffer, start, end) => void events.push(buffer.toString('latin1', start, end)),
    onEnd: () => void events.push('end'),
    onDrain: () => void events.push('drain'),
    onClose: (error) => void events.push(`close ${error}`),
  };
}

function portOf(server: Server): number {
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  return address.port;
}

/** A client of ours at a server of Node. */
async function dialled(t: TestContext, transport: Transport) {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const events: string[] = [];
  const accepted = once(server, 'connection');
  const connection = transport.connect('127.0.0.1', portOf(server), recorder(events));
  t.after(() => connection.destroy());
  const [peer]: Socket[] = await accepted;
  assert(peer !== undefined);
  t.after(() => peer.destroy());
  peer.on('error', () => {});
  await until(() => events.includes('connect'));
  return { connection, peer, events };
}

/** A client of Node at a listener of ours. */
async function accepted(
  t: TestContext,
  transport: Transport,
  onConnection: (connection: Connection) => void = () => {},
) {
  const events: string[] = [];
  const connections: Connection[] = [];
  const listening = await transport.listen(
    { host: '127.0.0.1', port: 0 },
    (connection) => {
      connection.handler = recorder(events);
      connections.push(connection);
      onConnection(connection);
    },
    assert.fail,
  );
  t.after(() => listening.close());
  const peer = connect({ port: listening.port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => peer.destroy());
  peer.on('error', () => {});
  await until(() => connections.length === 1);
  const [connection] = connections;
  assert(connection !== undefined);
  t.after(() => connection.destroy());
  return { connection, peer, events, listening };
}

/** The same with TLS on it, when its handshake is over. */
async function secured(
  t: TestContext,
  transport: Transport,
  onConnection: (connection: Connection) => void = () => {},
) {
  const events: string[] = [];
  const connections: Connection[] = [];
  const gate = anyGate();
  const listening = await transport.listen(
    { host: '127.0.0.1', port: 0, tls: () => gate },
    (connection) => {
      connection.handler = recorder(events);
      connections.push(connection);
      onConnection(connection);
    },
    assert.fail,
  );
  t.after(() => listening.close());
  const options = { host: '127.0.0.1', allowHalfOpen: true, rejectUnauthorized: false };
  const peer = connectTls({ ...options, port: listening.port });
  t.after(() => peer.destroy());
  peer.on('error', () => {});
  const shaken = once(peer, 'secureConnect');
  shaken.catch(() => {});
  await until(() => connections.length === 1);
  const [connection] = connections;
  assert(connection !== undefined);
  t.after(() => connection.destroy());
  return { connection, peer, events, shaken };
}

type Pair = { readonly connection: Connection; readonly peer: Socket; readonly events: string[] };
type Lane = {
  readonly name: string;
  readonly dialled: (t: TestContext) => Promise<Pair>;
  readonly accepted: (
    t: TestContext,
    onConnection?: (connection: Connection) => void,
  ) => Promise<Pair>;
};

const LANES: readonly Lane[] = TRANSPORTS.flatMap(([name, transport]) => [
  {
    name,
    dialled: (t) => dialled(t, transport),
    accepted: (t, onConnection) => accepted(t, transport, onConnection),
  },
  {
    name: `${name}, TLS`,
    async dialled(t) {
      const pair = await secured(t, transport);
      await pair.shaken;
      // With TLS 1.3 the client has done before we have.
      await until(() => pair.connection.tls !== undefined);
      pair.events.push('connect');
      return pair;
    },
    accepted: (t, onConnection) => secured(t, transport, onConnection),
  },
]);

for (const { name, dialled, accepted } of LANES) {
  test(`${name}: bytes go both ways, and an end is no close until both sides have ended`, async (t) => {
    const { connection, peer, events } = await dialled(t);
    let got = '';
    peer.on('data', (data) => {
      got += String(data);
    });
    assert.equal(connection.write('head ', Buffer.from('xbodyx'), 1, 5, ' tail'), true);
    assert.equal(connection.writeText(' more'), true);
    await until(() => got === 'head body tail more');
    peer.end('answer');
    await until(() => events.includes('end'));
    assert.equal(connection.writeText(' after the end'), true);
    await until(() => got.endsWith(' after the end'));
    assert.deepEqual(events, ['connect', 'answer', 'end'], 'it is still open');
    connection.end();
    connection.end();
    await until(() => events.includes('close '));
    assert.deepEqual(events, ['connect', 'answer', 'end', 'close ']);
  });

  test(`${name}: our end first, then theirs`, async (t) => {
    const { connection, peer, events } = await accepted(t);
    connection.write('bye', NO_BYTES, 0, 0, '');
    connection.end();
    peer.resume();
    await once(peer, 'end');
    peer.end('last words');
    await until(() => events.length === 3);
    assert.deepEqual(events, ['last words', 'end', 'close ']);
  });

  test(`${name}: nothing is read before somebody listens, nor while it is paused`, async (t) => {
    const { connection, peer, events } = await accepted(t, (it) => it.pause());
    peer.write('early');
    peer.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(events.length, 0);
    connection.resume();
    connection.resume();
    await until(() => events.includes('end'));
    assert.deepEqual(events.join(' '), 'early end');
    connection.pause();
    connection.resume();
    connection.destroy();
    await until(() => events.length === 3);
    assert.equal(events[2], 'close ', 'and it ended once');
  });

  test(`${name}: who pauses within a read gets no further one`, async (t) => {
    const { connection, peer, events } = await accepted(t);
    const { onData } = connection.handler;
    let reads = 0;
    connection.handler.onData = (...bytes) => {
      onData(...bytes);
      reads += 1;
      connection.pause();
    };
    peer.write(Buffer.alloc(1024 * 1024));
    await until(() => reads === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(reads, 1);
    connection.resume();
    await until(() => reads === 2);
    assert.equal(events.length, 2);
  });

  test(`${name}: a slow reader is told of by false, and then by a drain`, async (t) => {
    const { connection, peer, events } = await dialled(t);
    const piece = Buffer.alloc(64 * 1024);
    let sent = 0;
    while (connection.write('', piece, 0, piece.length, '')) sent += piece.length;
    assert(connection.pendingBytes > 0);
    assert.equal(connection.writeText('x'), false, 'until it has drained');
    let got = 0;
    peer.on('data', (data: Buffer) => {
      got += data.length;
    });
    await until(() => events.includes('drain'));
    assert.equal(connection.pendingBytes, 0);
    assert.equal(connection.writeText('y'), true);
    await until(() => got === sent + piece.length + 2);
    assert.deepEqual(events, ['connect', 'drain']);
  });

  test(`${name}: many small pieces that wait are told of, too`, async (t) => {
    const { connection, peer, events } = await dialled(t);
    const piece = Buffer.alloc(32 * 1024);
    while (connection.pendingBytes === 0) connection.write('', piece, 0, piece.length, '');
    let pieces = 0;
    while (connection.writeText('x')) pieces += 1;
    assert(pieces < 300, `${pieces} pieces`);
    peer.resume();
    await until(() => events.includes('drain'));
  });

  test(`${name}: an end goes behind what waits`, async (t) => {
    const { connection, peer } = await dialled(t);
    const piece = Buffer.alloc(256 * 1024);
    let sent = 0;
    while (connection.write('', piece, 0, piece.length, '')) sent += piece.length;
    connection.end();
    let got = 0;
    for await (const data of peer) got += (data as Buffer).length;
    assert.equal(got, sent + piece.length);
  });

  test(`${name}: destroy is silent at once, and closes without an error`, async (t) => {
    const { connection, peer, events } = await dialled(t);
    connection.writeText('x');
    connection.destroy();
    connection.destroy();
    connection.reset();
    connection.pause();
    connection.resume();
    connection.end();
    connection.writeText('y');
    peer.write('z');
    await until(() => events.includes('close '));
    await once(peer.resume(), 'end');
    assert.deepEqual(events, ['connect', 'close ']);
  });

  for (const hasEnded of [false, true]) {
    const when = hasEnded ? ', also behind an end that waits' : '';
    test(`${name}: a reset is no end${when}`, async (t) => {
      const { connection, peer, events } = await dialled(t);
      const piece = Buffer.alloc(256 * 1024);
      while (connection.write('', piece, 0, piece.length, ''));
      if (hasEnded) connection.end();
      const broken = once(peer, 'error');
      connection.reset();
      let isOver = false;
      peer.on('end', () => {
        isOver = true;
      });
      peer.resume();
      await until(() => events.includes('close '));
      if (!hasEnded) {
        const [error] = await broken;
        assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
      } else broken.catch(() => {});
      assert.equal(isOver, false, 'never taken for complete');
    });
  }

  test(`${name}: a reset in the turn of the end closes, too`, async (t) => {
    const { connection, peer, events } = await dialled(t);
    connection.writeText('whole');
    await until(() => connection.pendingBytes === 0);
    connection.end();
    connection.reset();
    await until(() => events.includes('close '));
    // Either is right: all of it was there.
    let isOver = false;
    for (const end of ['end', 'error']) {
      peer.on(end, () => {
        isOver = true;
      });
    }
    peer.resume();
    await until(() => isOver || peer.destroyed);
  });

  test(`${name}: a write that the kernel refuses at once ends the connection`, async (t) => {
    const { connection, peer, events } = await dialled(t);
    connection.pause();
    // Nothing is read any more, so that only a write can hear of it.
    peer.destroy();
    await once(peer, 'close');
    const writing = setInterval(() => connection.writeText('x'), 5);
    t.after(() => clearInterval(writing));
    await until(() => events.some((event) => event.startsWith('close')));
    assert.match(events.at(-1) ?? '', /^close (EPIPE|ECONNRESET)$/);
  });
}

for (const [name, transport] of TRANSPORTS) {
  test(`${name}: nobody listens there`, async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = portOf(server);
    server.close();
    await once(server, 'close');
    const events: string[] = [];
    const connection = transport.connect('127.0.0.1', port, recorder(events));
    t.after(() => connection.destroy());
    connection.writeText('x');
    assert.deepEqual(events, [], 'never before connect has returned');
    await until(() => events.length > 0);
    assert.deepEqual(events, ['close ECONNREFUSED']);
  });

  test(`${name}: given up before it stands`, async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const events: string[] = [];
    const connection = transport.connect('127.0.0.1', portOf(server), recorder(events));
    connection.pause();
    connection.destroy();
    await until(() => events.length > 0);
    assert.deepEqual(events, ['close ']);
    server.close();
  });

  test(`${name}: a name is looked up`, async (t) => {
    const server = createServer((socket) => socket.end('here')).listen(0, 'localhost');
    t.after(() => server.close());
    await once(server, 'listening');
    const events: string[] = [];
    const connection = transport.connect('localhost', portOf(server), recorder(events));
    t.after(() => connection.destroy());
    await until(() => events.includes('end'));
    assert.deepEqual(events, ['connect', 'here', 'end']);
  });

  test(`${name}: the peer's address, IPv4 and IPv6`, async (t) => {
    const { connection } = await accepted(t, transport);
    assert.deepEqual(
      [connection.remoteAddress, connection.scheme, connection.protocol, connection.serverName],
      ['127.0.0.1', 'http', '', ''],
    );
    const addresses: string[] = [];
    const listening = await transport.listen(
      { host: '::1', port: 0 },
      (it) => {
        addresses.push(it.remoteAddress);
        it.destroy();
      },
      assert.fail,
    );
    t.after(() => listening.close());
    const events: string[] = [];
    const outgoing = transport.connect('::1', listening.port, recorder(events));
    t.after(() => outgoing.destroy());
    await until(() => addresses.length === 1 && events.includes('end'));
    assert.deepEqual([addresses, events], [['::1'], ['connect', 'end']]);
  });

  test(`${name}: a reset of the peer has its code`, async (t) => {
    const { peer, events } = await accepted(t, transport);
    peer.resetAndDestroy();
    await until(() => events.length > 0);
    assert.deepEqual(events, ['close ECONNRESET']);
  });

  test(`${name}: it listens on a socket that was handed over, and stops`, async (t) => {
    const bound = createServer().listen(0, '127.0.0.1');
    await once(bound, 'listening');
    const connections: Connection[] = [];
    const options = { host: '127.0.0.1', port: portOf(bound), handle: bound };
    const listening = await transport.listen(options, (it) => connections.push(it), assert.fail);
    const peer = connect(listening.port, '127.0.0.1');
    t.after(() => peer.destroy());
    await until(() => connections.length === 1);
    assert.equal(
      connections[0]?.constructor.name,
      name === 'raw' ? 'RawConnection' : 'NodeConnection',
    );
    connections[0]?.destroy();
    listening.close();
    bound.close();
    const late = connect(listening.port, '127.0.0.1');
    const [error] = await once(late, 'error');
    assert.equal(error.code, 'ECONNREFUSED');
  });

  test(`${name}: a port in use is an error that names the key`, async (t) => {
    const { listening } = await accepted(t, transport);
    const { host, port } = listening;
    const again = transport.listen({ host, port }, () => {}, assert.fail);
    await assert.rejects(again, {
      code: 'address_in_use',
      message: /listen .* is in use.*"listen"/,
    });
  });
}

test('while an event is worked on its time stands still, and no longer', async (t) => {
  const raw = openRawTransport();
  assert(raw !== undefined);
  const { connection, peer } = await accepted(t, raw, (it) => it.pause());
  const times: number[] = [];
  connection.handler.onData = () => {
    times.push(eventNow());
    const until = performance.now() + 3;
    while (performance.now() < until);
    times.push(eventNow());
  };
  connection.resume();
  peer.write('x');
  await until(() => times.length === 2);
  assert.equal(times[0], times[1]);
  const before = performance.now();
  const between = eventNow();
  assert(between >= before && between <= performance.now());
});

test('where this Node has no such handles, or other ones, its sockets are used', () => {
  assert.equal(chooseTransport('').why, 'raw handles');
  assert.deepEqual(chooseTransport('node'), {
    transport: nodeTransport,
    isSlower: true,
    why: 'SLUICE_TRANSPORT=node',
  });
  const without = chooseTransport('', () => undefined);
  assert.equal(without.transport, nodeTransport);
  assert.match(without.why, /has no such handles/);
  assert.equal(openRawTransport(undefined) === undefined, false, 'the default is what Node has');
});

test('handles are looked at before they are used', (t) => {
  assert(openHandles() !== undefined);
  const binding: unknown = Reflect.get(process, 'binding');
  assert(typeof binding === 'function');
  const changed = (
    change: (name: string, found: Record<string, unknown>) => object,
  ): Handles | undefined => {
    const mock = t.mock.method(
      process as unknown as { binding: (name: string) => object },
      'binding',
      (name: string) => change(name, { ...binding.call(process, name) }),
    );
    const handles = openHandles();
    mock.mock.restore();
    return handles;
  };
  assert(changed((_, found) => found) !== undefined);
  for (const name of [
    'TCP',
    'TCPConnectWrap',
    'constants',
    'WriteWrap',
    'ShutdownWrap',
    'streamBaseState',
    'kReadBytesOrError',
    'kLastWriteWasAsync',
  ]) {
    assert.equal(
      changed((_, { [name]: _gone, ...rest }) => rest),
      undefined,
      name,
    );
  }
  class Other {}
  assert.equal(
    changed((_, found) => ({ ...found, TCP: Other })),
    undefined,
  );
  assert.equal(
    changed(() => {
      throw new Error('not any more');
    }),
    undefined,
  );
});
