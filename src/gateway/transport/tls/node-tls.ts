// TLS the documented way: TLSSocket on an accepted socket. As in raw-tls.ts the first bytes are looked at before it, so that
// plain HTTP gets an answer that says what is wrong. What is written before there is a TLSSocket waits.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { systemCode } from '../../../base/errors.ts';
import {
  type Connection,
  type ConnectionHandler,
  DEAF,
  QUEUED_MAX,
  type TlsFacts,
} from '../connection.ts';
import { isShuttingDown } from '../shutting-down.ts';
import { factsOf } from './tls-facts.ts';
import {
  isHandshake,
  PLAIN_ANSWER,
  PLAIN_CODE,
  PROTOCOLS,
  type TlsGate,
  UNKNOWN_NAME_ALERT,
  UNKNOWN_NAME_CODE,
} from './tls-gate.ts';

export class NodeTlsConnection implements Connection {
  handler: ConnectionHandler = DEAF;
  readonly remoteAddress: string;
  readonly scheme = 'https';
  protocol = '';
  serverName = '';
  tls: TlsFacts | undefined;
  readonly #raw: Socket;
  readonly #gate: TlsGate;
  #socket: TLSSocket | undefined;
  #waiting: Buffer[] = [];
  #isPaused = false;
  #hasEnded = false;
  #isRefused = false;
  #waitsForDrain = false;
  #queued = 0;
  /** Bytes of a write that is not reported yet, though the kernel has it. */
  #taken = 0;
  #error = '';

  /** The socket is paused. */
  constructor(raw: Socket, gate: TlsGate) {
    this.#raw = raw;
    this.#gate = gate;
    this.remoteAddress = raw.remoteAddress ?? '';
    raw.on('error', (error) => this.#failed(error));
    raw.once('data', (first: Buffer) => this.#begin(first));
    raw.once('end', () => {
      if (this.#socket === undefined) this.handler.onEnd();
    });
    raw.once('close', () => {
      // The other one tells of its own close, which comes later.
      if (this.#socket === undefined) this.#closed();
    });
  }

  open(): void {
    if (!this.#isPaused) this.#raw.resume();
  }

  #begin(first: Buffer): void {
    const { context, asksNames, asksClients, contextFor, failed } = this.#gate;
    if (!isHandshake(first[0] ?? 0)) {
      failed(PLAIN_CODE);
      return this.#endPlain(PLAIN_ANSWER);
    }
    this.#raw.pause();
    this.#raw.unshift(first);
    const socket = new TLSSocket(this.#raw, {
      ...{ isServer: true, secureContext: context, ALPNProtocols: PROTOCOLS },
      // Whether it is good is seen in `#secured`, where the client can be told.
      ...{ requestCert: asksClients, rejectUnauthorized: false },
      ...(asksNames
        ? {
            SNICallback: (
              asked: string,
              done: (error: Error | null, found?: typeof context) => void,
            ) => {
              const found = contextFor.call(this.#gate, asked.toLowerCase());
              if (found === undefined) setImmediate(() => this.#refuseName());
              else done(null, found);
            },
          }
        : {}),
    });
    this.#socket = socket;
    let isSecured = false;
    // Errors of OpenSSL behind the handshake come this way alone, where no tls.Server looks after the socket.
    socket.on('_tlsError', (error: Error) => void socket.destroy(error));
    socket.on('error', (error) => {
      if (!isSecured && !this.#isRefused) failed(systemCode(error) || error.message);
      this.#failed(error);
    });
    socket.on('secure', () => {
      isSecured = true;
      this.#secured(socket);
    });
    socket.on('data', (data: Buffer) => this.handler.onData(data, 0, data.length));
    socket.on('end', () => this.handler.onEnd());
    socket.on('drain', () => this.#drained());
    socket.on('close', () => this.#closed());
    if (this.#isPaused) socket.pause();
    for (const piece of this.#waiting.splice(0)) socket.write(piece);
    if (this.#hasEnded) socket.end();
  }

  #secured(socket: TLSSocket): void {
    const { alpnProtocol, authorizationError } = socket;
    // The types have it not, as it is of the server's end: '' or false where the client named none.
    const name: unknown = Reflect.get(socket, 'servername');
    this.protocol = typeof alpnProtocol === 'string' ? alpnProtocol : '';
    this.serverName = typeof name === 'string' ? name.toLowerCase() : '';
    const handle: unknown = Reflect.get(socket, '_handle');
    const verify: unknown =
      typeof handle === 'object' && handle !== null
        ? Reflect.get(handle, 'verifyError')
        : undefined;
    const found: unknown = typeof verify === 'function' ? verify.call(handle) : authorizationError;
    this.tls = factsOf(socket, systemCode(found), this.#gate);
  }

  #refuseName(): void {
    this.#gate.failed(UNKNOWN_NAME_CODE);
    this.#isRefused = true;
    // Not by the TLSSocket, which would encrypt it.
    const handle: unknown = Reflect.get(this.#raw, '_handle');
    if (handle !== null) this.#raw.write(UNKNOWN_NAME_ALERT);
    this.#raw.destroySoon();
  }

  #endPlain(text: string): void {
    this.#hasEnded = true;
    this.#waiting = [];
    this.#raw.end(text);
    // What still comes is thrown away; the owner's deadline ends it.
    this.#raw.resume();
  }

  #failed(error: Error): void {
    if (this.#error === '') this.#error = systemCode(error) || 'EPROTO';
  }

  #closed(): void {
    const last = this.handler;
    this.handler = DEAF;
    last.onClose(this.#error);
  }

  get pendingBytes(): number {
    if (this.#socket !== undefined) {
      const { writableLength } = this.#socket;
      return writableLength === this.#taken ? 0 : writableLength;
    }
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean {
    return this.#send(
      Buffer.concat([
        Buffer.from(before, 'latin1'),
        buffer.subarray(start, end),
        Buffer.from(after, 'latin1'),
      ]),
    );
  }

  writeText(text: string): boolean {
    return text === '' ? !this.#waitsForDrain : this.#send(Buffer.from(text, 'latin1'));
  }

  #send(piece: Buffer): boolean {
    if (this.#hasEnded) return true;
    const socket = this.#socket;
    if (socket === undefined) {
      this.#waiting.push(piece);
      return true;
    }
    const isFirst = socket.writableLength === 0 && this.tls !== undefined;
    const isThrough = socket.write(piece);
    this.#taken = isFirst && isThrough && this.#hasKernelAll() ? piece.length : 0;
    if (!isThrough) this.#waitsForDrain = true;
    else if (socket.writableLength === 0) this.#queued = 0;
    else if (!this.#waitsForDrain && ++this.#queued >= QUEUED_MAX) {
      // As in node-transport.ts: Node counts bytes, not pieces.
      this.#queued = 0;
      this.#waitsForDrain = true;
      socket.write('', (error) => error || this.#drained());
    }
    return !this.#waitsForDrain;
  }

  /** Of what is encrypted. Not public; where a Node has it not, a write counts until it is reported. */
  #hasKernelAll(): boolean {
    const handle: unknown = Reflect.get(this.#raw, '_handle');
    return (
      typeof handle === 'object' && handle !== null && Reflect.get(handle, 'writeQueueSize') === 0
    );
  }

  #drained(): void {
    if (!this.#waitsForDrain) return;
    this.#waitsForDrain = false;
    this.handler.onDrain();
  }

  pause(): void {
    this.#isPaused = true;
    (this.#socket ?? this.#raw).pause();
  }

  resume(): void {
    this.#isPaused = false;
    (this.#socket ?? this.#raw).resume();
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#socket !== undefined) this.#socket.end();
    else if (this.#waiting.length === 0) this.#raw.end();
  }

  destroy(): void {
    (this.#socket ?? this.#raw).destroy();
  }

  /** A TLSSocket has no reset: it is the socket below that is reset. */
  reset(): void {
    if (isShuttingDown(this.#socket ?? this.#raw)) return this.destroy();
    this.#raw.resetAndDestroy();
    this.#socket?.destroy();
  }
}
