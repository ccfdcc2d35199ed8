// Who is blamed for an attempt that fails. What one client can bring about, however often, must not
// take the servers away from the others.

import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  closedPort,
  RawClient,
  startGateway,
  startRawServer,
  type TestGateway,
} from '../../test/support/gateway/builders.ts';
import type { Server } from '../upstream.ts';

/** What a server does with a path; `hello` to everything else. */
type Deed = (socket: Socket) => void;

async function startPool(
  t: TestContext,
  deeds: Readonly<Record<string, Deed>>,
  count = 2,
  patch = {},
) {
  const servers = await Promise.all(
    Array.from({ length: count }, () =>
      startRawServer(t, (socket, received) => {
        const [, path = ''] = /^\w+ (\S+) [\s\S]*?\r\n\r\n/.exec(received) ?? [];
        const deed = deeds[path];
        if (deed !== undefined) return deed(socket);
        if (path !== '')
          socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello');
      }),
    ),
  );
  return startGateway(
    t,
    servers.map(({ port }) => port),
    patch,
  );
}

/** The whole text of the answer to one GET by another client. */
async function ask(t: TestContext, port: number): Promise<string> {
  const client = new RawClient(t, port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  return client.ended();
}

function serversOf({ upstreams }: TestGateway): readonly Server[] {
  return upstreams.get('app')?.servers ?? [];
}

function failuresOf(gateway: TestGateway): number[] {
  return serversOf(gateway).map(({ counters }) => counters.failures);
}

/** Those that count towards max_fails. */
function failsOf(gateway: TestGateway): number[] {
  return serversOf(gateway).map(({ fails }) => fails);
}

async function assertAllServe(t: TestContext, gateway: TestGateway): Promise<void> {
  const servers = serversOf(gateway);
  const before = servers.map(({ counters }) => counters.answered);
  for (let index = 0; index < servers.length; index += 1) {
    assert.match(await ask(t, gateway.port), /^HTTP\/1\.1 200 OK\r\n/);
  }
  assert.deepEqual(
    servers.map(({ counters }) => counters.answered),
    before.map((n) => n + 1),
  );
}

/** Sends the head, then a body without end until the gateway is done with it. */
async function upload(port: number, head: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  let text = '';
  const piece = Buffer.alloc(64 * 1024, 0x61);
  socket.on('error', () => {});
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.write(head);
  let left = 20 * 1024 * 1024;
  const send = (): void => {
    while (left > 0 && socket.writable) {
      left -= piece.length;
      if (!socket.write(piece)) return void socket.once('drain', send);
    }
  };
  send();
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

const TOO_LARGE =
  'HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbig!';

const EARLY: Readonly<Record<string, Deed>> = {
  '/destroy': (socket) => socket.end(TOO_LARGE, () => socket.destroy()),
  '/reset': (socket) => socket.write(TOO_LARGE, () => socket.resetAndDestroy()),
  '/end': (socket) => socket.end(TOO_LARGE),
  '/chunked': (socket) =>
    socket.write(
      'HTTP/1.1 413 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbig!\r\n0\r\n\r\n',
      () => socket.destroy(),
    ),
  '/close-delimited': (socket) => socket.end('HTTP/1.1 413 No\r\n\r\nbig!', () => socket.destroy()),
  '/nothing': (socket) => socket.destroy(),
  '/half': (socket) =>
    socket.write('HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\nbig', () => socket.destroy()),
};

for (const path of Object.keys(EARLY)) {
  for (const method of ['POST', 'PUT']) {
    test(`${method} of 20 MB that the servers answer early (${path}) ejects nobody`, async (t) => {
      const gateway = await startPool(t, EARLY);
      const head = `${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 20971520\r\n\r\n`;
      for (let index = 0; index < 6; index += 1) {
        const text = await upload(gateway.port, head);
        assert.match(text, path === '/nothing' ? /^HTTP\/1\.1 502 / : /^HTTP\/1\.1 413 /);
      }
      assert.deepEqual(failuresOf(gateway), [0, 0]);
      await assertAllServe(t, gateway);
    });
  }
}

test('an answer that came before the reset is passed on, also when a write fails first', async (t) => {
  // Both ends of the race, many times: the gateway writes into a connection that is gone already.
  const gateway = await startPool(t, EARLY, 1);
  for (let index = 0; index < 40; index += 1) {
    const path = index % 2 === 0 ? '/destroy' : '/close-delimited';
    const client = new RawClient(t, gateway.port);
    client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n`);
    client.send('x'.repeat(100_000));
    const text = await client.ended();
    assert.match(text, /^HTTP\/1\.1 413 /);
    assert.match(text, /big!/);
    client.socket.destroy();
  }
});

test('a request that makes every server close, again and again, leaves one in the pool', async (t) => {
  const gateway = await startPool(t, { '/hated': (socket) => socket.destroy() }, 3);
  for (let index = 0; index < 12; index += 1) {
    const client = new RawClient(t, gateway.port);
    client.send('GET /hated HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(await client.ended(), /^HTTP\/1\.1 502 /);
    assert.match(await ask(t, gateway.port), /^HTTP\/1\.1 200 OK\r\n/);
  }
});

test('one request counts against one server, however many it tries', async (t) => {
  const gateway = await startPool(t, { '/hated': (socket) => socket.destroy() }, 3);
  const client = new RawClient(t, gateway.port);
  client.send('GET /hated HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.match(await client.ended(), /^HTTP\/1\.1 502 /);
  assert.deepEqual(failuresOf(gateway), [1, 1, 1]);
  assert.deepEqual(failsOf(gateway), [1, 0, 0]);
});

test('a server that nobody can reach is ejected, also as the last one, and is tried on as such', async (t) => {
  const gateway = await startGateway(t, [await closedPort(), await closedPort()]);
  assert.match(await ask(t, gateway.port), /^HTTP\/1\.1 502 /);
  assert.deepEqual(failsOf(gateway), [1, 1]);
  assert.match(await ask(t, gateway.port), /^HTTP\/1\.1 502 /);
  assert.deepEqual(failuresOf(gateway), [2, 2]);
});

/** Half a response, then the end of the connection when `when` says so. */
const halves = (when: (socket: Socket) => void): Readonly<Record<string, Deed>> => ({
  '/half': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nhalf');
    when(socket);
  },
});

test('a response that breaks off counts while another server is there', async (t) => {
  const gateway = await startPool(
    t,
    halves((socket) => socket.end()),
  );
  for (let index = 0; index < 4; index += 1) {
    const client = new RawClient(t, gateway.port);
    client.send('GET /half HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await client.ended();
  }
  assert.equal(
    failsOf(gateway).reduce((sum, fails) => sum + fails, 0),
    1,
  );
  assert.match(await ask(t, gateway.port), /^HTTP\/1\.1 200 OK\r\n/);
});

test('a stream that is silent for read_timeout is cut and counts against nobody', async (t) => {
  const gateway = await startPool(
    t,
    halves(() => {}),
    2,
    { timeouts: { readMs: 100 } },
  );
  for (let index = 0; index < 4; index += 1) {
    const client = new RawClient(t, gateway.port);
    client.send('GET /half HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await client.ended();
  }
  assert.deepEqual(failuresOf(gateway), [0, 0]);
  await assertAllServe(t, gateway);
});

test('a server that gives up a client which does not read is not blamed', async (t) => {
  const given = Promise.withResolvers<void>();
  const gateway = await startPool(
    t,
    halves((socket) => {
      const piece = Buffer.alloc(256 * 1024, 0x61);
      const send = (): void => {
        while (socket.write(piece));
      };
      send();
      socket.on('drain', send);
      // What it cannot send waits here: then it has lost its patience.
      let seen = -1;
      const timer = setInterval(() => {
        if (socket.bytesWritten - socket.writableLength === seen) {
          clearInterval(timer);
          socket.resetAndDestroy();
          given.resolve();
        }
        seen = socket.bytesWritten - socket.writableLength;
      }, 100);
    }),
  );
  const client = new RawClient(t, gateway.port);
  client.socket.pause();
  client.send('GET /half HTTP/1.1\r\nHost: a\r\n\r\n');
  await given.promise;
  client.socket.resume();
  await client.ended();
  assert.deepEqual(failuresOf(gateway), [0, 0]);
  await assertAllServe(t, gateway);
});

test('a server that takes no more of a body than it wants is not blamed for the time', async (t) => {
  // It answers nobody and reads nothing: the body waits, then the gateway gives up.
  const gateway = await startPool(t, { '/slow': (socket) => socket.pause() }, 2, {
    timeouts: { upstreamSendMs: 200 },
  });
  const text = await upload(
    gateway.port,
    'POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 20971520\r\n\r\n',
  );
  assert.match(text, /^HTTP\/1\.1 504 /);
  assert.deepEqual(failuresOf(gateway), [0, 0]);
  await assertAllServe(t, gateway);
});
