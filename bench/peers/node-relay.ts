// What Node itself costs: passes each read on as it is, over kept connections, and knows no HTTP. Not a
// proxy (whatever arrives in one read is taken for one whole message), but a floor: the same two reads
// and two writes per request, on the same kind of sockets as Sluice, with nothing decided in between.

import { createServer, Socket } from 'node:net';
import { listenPort, next, origins } from './arguments.ts';

type Peer = { readonly socket: Socket; other: Socket | undefined; readonly idle: Peer[] };

const BYTES = 64 * 1024;
const shared = Buffer.allocUnsafeSlow(BYTES);
const servers = origins.map((origin) => ({
  port: Number(new URL(origin).port),
  idle: [] as Peer[],
}));

/** A socket that reads into the shared buffer; `handle` is an accepted one's, undocumented. */
function socketWith(onData: (text: string) => void, handle?: unknown): Socket {
  const callback = (bytes: number): boolean => {
    onData(shared.toString('latin1', 0, bytes));
    return true;
  };
  const options = { handle, allowHalfOpen: true, onread: { buffer: shared, callback } };
  const socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  return socket.on('error', () => {}).setNoDelay(true);
}

function connect(port: number, idle: Peer[]): Peer {
  const socket = socketWith((text) => {
    const { other } = peer;
    peer.other = undefined;
    idle.push(peer);
    other?.write(text, 'latin1');
  });
  const peer: Peer = { socket, other: undefined, idle };
  socket.connect(port, '127.0.0.1');
  return peer;
}

createServer({ pauseOnConnect: true, noDelay: true }, (accepted) => {
  const holder: { _handle?: unknown } = accepted as object;
  const handle = holder._handle;
  holder._handle = null;
  const client = socketWith((text) => {
    const { port, idle } = next(servers);
    const server = idle.pop() ?? connect(port, idle);
    server.other = client;
    server.socket.write(text, 'latin1');
  }, handle);
}).listen(listenPort, '127.0.0.1');
