// Bytes of a body that come while the connection to a server is being opened: nobody has them yet, and
// they must follow the head, once.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  closedPort,
  RawClient,
  rawExchange,
  startGateway,
  startRawServer,
} from '../../test/support/gateway/builders.ts';
import { type ConnectionHandler, nodeTransport, type Transport } from './transport.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const PUT = 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n';

/** A connection to `port` stands for the gateway when it is told so. */
function lateTransport(port: number) {
  const { promise, resolve } = Promise.withResolvers<() => void>();
  const late = (handler: ConnectionHandler): ConnectionHandler => ({
    onConnect: () => resolve(() => handler.onConnect()),
    onData: (buffer, start, end) => handler.onData(buffer, start, end),
    onEnd: () => handler.onEnd(),
    onDrain: () => handler.onDrain(),
    onClose: (error) => handler.onClose(error),
  });
  const transport: Transport = {
    listen: nodeTransport.listen,
    connect: (host, to, handler) =>
      nodeTransport.connect(host, to, to === port ? late(handler) : handler),
  };
  return { transport, connected: promise };
}

for (const what of ['the first attempt', 'an attempt after one that has sent a part']) {
  test(`a body that goes on during the connect of ${what} follows the head`, async (t) => {
    const first = await startRawServer(t, (socket, received) => {
      if (received.endsWith('01234')) socket.destroy();
    });
    const server = await startRawServer(t, (socket, received) => {
      if (received.includes('56789') && received.includes('\r\n\r\n')) socket.write(OK);
    });
    const { transport, connected } = lateTransport(server.port);
    const isFirst = what === 'the first attempt';
    const ports = [isFirst ? await closedPort() : first.port, server.port];
    const routes = [{ host: 'a', path: '/', upstream: 'app' }];
    const { port } = await startGateway(t, ports, {}, routes, { transport });
    const client = new RawClient(t, port);
    await once(client.socket, 'connect');
    client.send(`${PUT}01234`);
    const stands = await connected;
    client.send('56789');
    // Another client's answer, which came later: the gateway has the body by now.
    const other = 'GET / HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n';
    assert.match(await rawExchange(t, port, other), /^HTTP\/1\.1 404 /);
    stands();
    await client.until((text) => text.endsWith('ok'));
    assert.match(server.received[0] ?? '', /^PUT .*\r\n\r\n0123456789$/s);
  });
}
