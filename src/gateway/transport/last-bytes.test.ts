// What a server sent before its connection broke is read, also when it is a write that finds out.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TRANSPORTS } from '../../../test/support/gateway/transports.ts';
import type { Transport } from './connection.ts';

/** Connects and does not read; `leave` is the server's answer and end. Then one more write. */
async function writeIntoTheBroken(
  t: TestContext,
  transport: Transport,
  leave: (socket: Socket) => void,
): Promise<readonly string[]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  const events: string[] = [];
  const connected = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const accepted = once(server, 'connection');
  const connection = transport.connect('127.0.0.1', address.port, {
    onConnect: () => {
      connection.pause();
      connected.resolve();
    },
    onData: (buffer, start, end) => void events.push(buffer.toString('latin1', start, end)),
    onEnd: () => void events.push('end'),
    onDrain: () => {},
    onClose: (error) => {
      events.push(error);
      closed.resolve();
    },
  });
  const [socket]: Socket[] = await accepted;
  assert(socket !== undefined);
  socket.on('error', () => {});
  await connected.promise;
  leave(socket);
  if (!socket.closed) await once(socket, 'close');
  connection.writeText('x');
  await closed.promise;
  return events;
}

// Elsewhere a write does not tell the two apart.
const isTold = process.platform === 'linux';

for (const [name, transport] of TRANSPORTS) {
  test(`${name}: an answer in front of a reset`, async (t) => {
    const events = await writeIntoTheBroken(t, transport, (socket) => {
      socket.write('answer', () => socket.resetAndDestroy());
    });
    // No end: nobody said that this was all.
    assert.deepEqual(events, ['answer', 'ECONNRESET']);
  });

  test(`${name}: an answer and a FIN in front of a reset`, { skip: !isTold }, async (t) => {
    const events = await writeIntoTheBroken(t, transport, (socket) => {
      socket.end('answer', () => socket.resetAndDestroy());
    });
    assert.deepEqual(events, ['answer', 'end', 'EPIPE']);
  });

  test(`${name}: nothing in front of a reset`, async (t) => {
    const events = await writeIntoTheBroken(t, transport, (socket) => socket.resetAndDestroy());
    assert.deepEqual(events, ['ECONNRESET']);
  });
}
