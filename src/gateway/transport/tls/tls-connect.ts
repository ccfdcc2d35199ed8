// TLS to a server, for both transports: TLSSocket on a socket of ours. `onConnect` comes when the handshake is over and the
// server's certificate is good, so that nothing is written before that. What ends in the handshake is told with
// `tls:` before its code: the machine was reached, and it is not the system that says no.

import { isIP, Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { systemCode } from '../../../base/errors.ts';
import { type Connection, type ConnectionHandler, DEAF, QUEUED_MAX } from '../connection.ts';

/** How a connection to a server is secured. */
export interface TlsTarget {
  readonly context: SecureContext;
  /** What its certificate must be for: a name, which it is also told (SNI), or an address. */
  readonly name: string;
  /** False: any certificate is good enough. */
  readonly verifies: boolean;
  /** Of the last connection, to be gone on with; undefined: none yet. */
  session: Buffer | undefined;
}

/** In front of the code of what ended in a handshake. */
export const TLS_PREFIX = 'tls:';

const PROTOCOLS = ['http/1.1'];

export function connectTls(
  address: { readonly host: string; readonly port: number },
  target: TlsTarget,
  handler: ConnectionHandler,
): Connection {
  return new TlsClientConnection(address, target, handler);
}

class TlsClientConnection implements Connection {
  handler: ConnectionHandler;
  readonly remoteAddress: string;
  readonly scheme = 'https';
  protocol = '';
  readonly serverName: string;
  isShaking = false;
  readonly #raw: Socket;
  #socket: TLSSocket | undefined;
  #isPaused = false;
  #isClosed = false;
  #waitsForDrain = false;
  #queued = 0;
  #error = '';

  constructor(
    address: { readonly host: string; readonly port: number },
    target: TlsTarget,
    handler: ConnectionHandler,
  ) {
    this.handler = handler;
    this.remoteAddress = address.host;
    this.serverName = target.name;
    const raw = new Socket({ allowHalfOpen: true });
    this.#raw = raw;
    raw.setNoDelay(true);
    raw.on('error', (error) => this.#failed(error));
    raw.on('close', () => {
      // The other one tells of its own close, which comes later.
      if (this.#socket === undefined) this.#closed();
    });
    raw.connect(address, () => this.#shake(target));
  }

  #shake(target: TlsTarget): void {
    const { context, name, verifies, session } = target;
    this.isShaking = true;
    const socket = connect({
      ...{ socket: this.#raw, secureContext: context, ALPNProtocols: PROTOCOLS },
      ...(isIP(name) === 0 ? { servername: name } : { host: name }),
      ...(session === undefined ? {} : { session }),
      rejectUnauthorized: verifies,
    });
    this.#socket = socket;
    socket.on('session', (next: Buffer) => {
      target.session = next;
    });
    socket.on('error', (error) => {
      // Perhaps it is the session that the server does not like.
      if (this.isShaking) target.session = undefined;
      this.#failed(error);
    });
    // In the handshake Node makes an error of it.
    socket.on('end', () => this.isShaking || this.handler.onEnd());
    socket.on('drain', () => this.#drained());
    socket.on('close', () => this.#closed());
    socket.on('secureConnect', () => {
      this.isShaking = false;
      if (typeof socket.alpnProtocol === 'string') this.protocol = socket.alpnProtocol;
      socket.on('data', (data: Buffer) => this.handler.onData(data, 0, data.length));
      if (this.#isPaused) socket.pause();
      this.handler.onConnect();
    });
  }

  #failed(error: Error): void {
    if (this.#error !== '') return;
    const code = systemCode(error) || 'EPROTO';
    this.#error = this.isShaking ? TLS_PREFIX + code : code;
  }

  #closed(): void {
    if (this.isShaking && this.#error === '') this.#error = `${TLS_PREFIX}ECONNRESET`;
    this.#isClosed = true;
    const last = this.handler;
    this.handler = DEAF;
    last.onClose(this.#error);
  }

  get pendingBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean {
    // OpenSSL takes it later, so that the caller's buffer must be copied.
    const piece = Buffer.allocUnsafe(before.length + end - start + after.length);
    piece.write(before, 0, 'latin1');
    buffer.copy(piece, before.length, start, end);
    piece.write(after, before.length + end - start, 'latin1');
    return this.#send(piece);
  }

  writeText(text: string): boolean {
    return text === '' ? !this.#waitsForDrain : this.#send(Buffer.from(text, 'latin1'));
  }

  #send(piece: Buffer): boolean {
    const socket = this.#socket;
    if (socket === undefined || this.#isClosed || socket.writableEnded) return true;
    if (!socket.write(piece)) this.#waitsForDrain = true;
    else if (socket.writableLength === 0) this.#queued = 0;
    else if (!this.#waitsForDrain && ++this.#queued >= QUEUED_MAX) {
      // As in node-transport.ts: Node counts bytes, not pieces.
      this.#queued = 0;
      this.#waitsForDrain = true;
      socket.write('', (error) => error || this.#drained());
    }
    return !this.#waitsForDrain;
  }

  #drained(): void {
    if (!this.#waitsForDrain) return;
    this.#waitsForDrain = false;
    this.handler.onDrain();
  }

  pause(): void {
    this.#isPaused = true;
    if (!this.isShaking) this.#socket?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.isShaking) this.#socket?.resume();
  }

  end(): void {
    (this.#socket ?? this.#raw).end();
  }

  destroy(): void {
    this.#socket?.destroy();
    this.#raw.destroy();
  }

  /** A TLSSocket has no reset: it is the socket below that is reset. */
  reset(): void {
    this.#raw.resetAndDestroy();
    this.#socket?.destroy();
  }
}
