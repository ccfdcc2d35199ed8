// Node's sockets behind the Transport face. Two things make it quick: incoming bytes land in one
// buffer shared by all sockets (read, used and forgotten within one callback), and outgoing pieces
// are put together in a scratch buffer so that head and body leave in one system call.
//
// Safety of the scratch buffers: the kernel usually takes a write at once. When it does not, libuv
// keeps pointing at our memory until it can, so that scratch buffer is given away to the write and
// a new one is made. No byte of one connection can reach another.

import { createServer, type Server, Socket } from 'node:net';
import { SluiceError, systemCode } from '../../base/errors.ts';
import { formatAddress } from '../../base/units.ts';
import { readBuffer } from '../read-buffer.ts';
import {
  type Connection,
  type ConnectionHandler,
  DEAF,
  type Listening,
  type ListenOptions,
  QUEUED_MAX,
  type Transport,
} from './connection.ts';
import { readLastBytes } from './last-bytes.ts';
import { Scratches, TEXT_BYTES_MAX } from './scratches.ts';
import { isShuttingDown } from './shutting-down.ts';
import { NodeTlsConnection } from './tls/node-tls.ts';
import { connectTls } from './tls/tls-connect.ts';

/** Pending connections that the kernel holds for us, before SYNs are dropped. */
const BACKLOG = 4096;

const scratches = new Scratches();

class NodeConnection implements Connection {
  handler: ConnectionHandler;
  readonly remoteAddress: string;
  readonly scheme = 'http';
  readonly protocol = '';
  readonly serverName = '';
  readonly #socket: Socket;
  #error = '';
  #waitsForDrain = false;
  /** Writes in a row that the kernel has not taken in full. */
  #queued = 0;

  constructor(socket: Socket, handler: ConnectionHandler) {
    this.#socket = socket;
    this.handler = handler;
    this.remoteAddress = socket.remoteAddress ?? '';
    // The listeners stay for the socket's whole life: pooled, lingering, whatever (rule 83).
    socket.on('error', (error) => {
      this.#error = systemCode(error) || 'EUNKNOWN';
    });
    socket.on('end', () => this.handler.onEnd());
    socket.on('drain', () => this.#drained());
    socket.on('close', () => {
      const last = this.handler;
      this.handler = DEAF;
      last.onClose(this.#error);
    });
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean {
    const bodyBytes = end - start;
    if (bodyBytes <= TEXT_BYTES_MAX) {
      return this.writeText(before + buffer.toString('latin1', start, end) + after);
    }
    const ok = this.#socket.write(scratches.fill(before, buffer, start, end, after));
    if (this.#socket.writableLength > 0) scratches.giveLast();
    return this.#isThrough(ok);
  }

  writeText(text: string): boolean {
    return this.#isThrough(this.#socket.write(text, 'latin1'));
  }

  /**
   * Node counts the bytes that wait, not the pieces: of single bytes 65,536 would wait, at some hundred
   * bytes each. So that many pieces count as full too, and an empty one behind them tells the end.
   */
  #isThrough(ok: boolean): boolean {
    if (!ok) this.#waitsForDrain = true;
    else if (this.#socket.writableLength === 0) this.#queued = 0;
    else if (!this.#waitsForDrain && ++this.#queued >= QUEUED_MAX) {
      this.#queued = 0;
      this.#waitsForDrain = true;
      this.#socket.write('', (error) => error || this.#drained());
    }
    return !this.#waitsForDrain;
  }

  #drained(): void {
    if (!this.#waitsForDrain) return;
    this.#waitsForDrain = false;
    this.handler.onDrain();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (!this.#socket.writableEnded) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  reset(): void {
    if (isShuttingDown(this.#socket)) return this.destroy();
    this.#socket.resetAndDestroy();
  }
}

/** Reads of every socket land here; a callback has done with the bytes when it returns. */

export type Accepting = {
  readonly onConnection: (connection: Connection) => void;
  readonly onError: (code: string) => void;
  /** Takes the handle of an accepted connection before Node makes a socket of it; false: it does not. */
  readonly onHandle?: (handle: unknown) => boolean;
};

/** @throws address_in_use, address_unavailable */
export function listenNode(
  options: ListenOptions,
  { onConnection, onError, onHandle }: Accepting,
): Promise<Listening> {
  const server = createServer(ACCEPT, (socket) => {
    // A client that is gone before it was accepted has no address, and nothing to say.
    if (socket.remoteAddress === undefined) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    const gate = options.tls === undefined ? 'plain' : options.tls();
    if (gate === 'plain') return onConnection(accepted(socket));
    if (gate === undefined) return void socket.destroy();
    const connection = new NodeTlsConnection(socket, gate);
    onConnection(connection);
    connection.open();
  });
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(options, cause)));
    const onListening = (): void => {
      server.removeAllListeners('error');
      // An accept that fails (ECONNABORTED) costs that connection, never the listener.
      server.on('error', (error) => onError(systemCode(error) || error.message));
      if (onHandle !== undefined) acceptBefore(server, onHandle);
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : options.port;
      resolve({ host: options.host, port, close: () => void server.close() });
    };
    const { host, port, handle } = options;
    if (handle !== undefined) server.listen(handle, BACKLOG, onListening);
    else server.listen({ host, port, backlog: BACKLOG }, onListening);
  });
}

/** The listening handle is not public; where a Node does not have it, all connections come the ordinary way. */
function acceptBefore(server: Server, onHandle: (handle: unknown) => boolean): void {
  const holder: { _handle?: { onconnection?: unknown } | null } = server as object;
  const listening = holder._handle;
  const ordinary = listening?.onconnection;
  if (listening === null || listening === undefined || typeof ordinary !== 'function') return;
  listening.onconnection = function onconnection(this: unknown, error: number, handle: unknown) {
    if (error !== 0 || !onHandle(handle)) ordinary.call(this, error, handle);
  };
}

export const nodeTransport: Transport = {
  listen: (options, onConnection, onError) => listenNode(options, { onConnection, onError }),

  connect(host, port, handler, tls): Connection {
    if (tls !== undefined) return connectTls({ host, port }, tls, handler);
    const { socket, connection } = sharedReads({}, handler, OutgoingSocket);
    if (socket instanceof OutgoingSocket) socket.connection = connection;
    socket.setNoDelay(true);
    socket.connect({ host, port }, () => connection.handler.onConnect());
    return connection;
  },
};

const ACCEPT = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };

/** A socket that reads into the one buffer, instead of allocating one for every read. */
function sharedReads(
  options: { readonly handle?: unknown },
  handler: ConnectionHandler,
  Kind: typeof Socket = Socket,
): { readonly socket: Socket; readonly connection: NodeConnection } {
  let connection: NodeConnection | undefined;
  const onread = {
    buffer: readBuffer,
    callback: (bytes: number): boolean => {
      connection?.handler.onData(readBuffer, 0, bytes);
      return true;
    },
  };
  // `onread` is documented for new net.Socket, but missing in the types; `handle` is neither.
  const all = { ...options, allowHalfOpen: true, onread } as ConstructorParameters<
    typeof Socket
  >[0];
  const socket = new Kind(all);
  connection = new NodeConnection(socket, handler);
  return { socket, connection };
}

/** Node closes a socket at once when a write fails. */
class OutgoingSocket extends Socket {
  connection: NodeConnection | undefined;

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // Not public, as in `accepted`.
    const holder: { _handle?: { fd?: unknown } | null } = this as object;
    const fd = holder._handle?.fd;
    if (error !== null) {
      readLastBytes(fd, systemCode(error), readBuffer, () => this.connection?.handler);
    }
    super._destroy(error, callback);
  }
}

/**
 * An accepted connection. Node offers `onread` only for sockets that we make ourselves, so the
 * accepted socket's handle moves into one of ours: a fifth less CPU per request. The handle is not
 * public; where a Node does not have it, the socket is read the ordinary way.
 */
function accepted(socket: Socket): NodeConnection {
  const holder: { _handle?: unknown } = socket as object; // As said above, not in the types.
  const handle = holder._handle;
  if (handle !== null && typeof handle === 'object' && 'useUserBuffer' in handle) {
    holder._handle = null;
    const { connection } = sharedReads({ handle }, DEAF);
    return connection;
  }
  const connection = new NodeConnection(socket, DEAF);
  socket.on('data', (data: Buffer) => connection.handler.onData(data, 0, data.length));
  socket.resume();
  return connection;
}

function listenError(options: ListenOptions, cause: Error): SluiceError {
  const address = formatAddress(options);
  const code = systemCode(cause);
  if (code === 'EADDRINUSE') {
    return new SluiceError(
      'address_in_use',
      `listen ${address}: the address is in use; stop the process that holds it or change "listen"`,
      { cause },
    );
  }
  return new SluiceError(
    'address_unavailable',
    `listen ${address}: ${code === 'EACCES' ? 'not permitted (ports below 1024 need privileges)' : cause.message}; change "listen"`,
    { cause },
  );
}
