// TLS on the handle of an accepted socket, without TLSSocket and its streams. The first bytes are read as they are: what is
// no handshake (plain HTTP on this port) gets an answer that says so. Then OpenSSL has the socket.
//
//   first ── handshake ──► shaking ── done ──► secured
//     └───── plain HTTP ─► plain (answered; what comes is thrown away)
//
// OpenSSL copies what it encrypts, so that nobody else's memory is kept. It takes one write at a time and reports its end in
// a later turn, also of one that the kernel took at once: what comes in between waits here and leaves as one. What was read
// cannot be put back either: what is decrypted of one read while the connection is paused waits here, too.

import { getSystemErrorName } from 'node:util';
import { readBuffer } from '../../read-buffer.ts';
import {
  type Connection,
  type ConnectionHandler,
  DEAF,
  NO_BYTES,
  QUEUED_MAX,
  type TlsFacts,
} from '../connection.ts';
import type { Handles, TcpHandle } from '../handles.ts';
import { Scratches } from '../scratches.ts';
import { PieceQueue } from './piece-queue.ts';
import { TlsOwner, tlsEvents } from './tls-events.ts';
import { factsOf } from './tls-facts.ts';
import {
  contextAsked,
  isHandshake,
  PLAIN_ANSWER,
  PLAIN_CODE,
  PROTOCOL_BYTES,
  type TlsGate,
  UNKNOWN_NAME_ALERT,
  UNKNOWN_NAME_CODE,
} from './tls-gate.ts';
import type { TlsHandle, WrapTls } from './tls-handles.ts';

const EOF = -4095;
/** Bytes that may wait in one connection, as on TCP. */
const HIGH_WATER = 64 * 1024;

/** Secures an accepted socket; `open` the connection when it has a handler. */
export type AcceptTls = (
  tcp: TcpHandle,
  gate: TlsGate,
  remoteAddress: string,
) => Connection & { open(): void };

export function rawTls(handles: Handles, wrap: WrapTls): AcceptTls {
  const scratches = new Scratches();
  const { onRead, ofTls, newWrite } = tlsEvents(handles);

  class RawTlsConnection extends TlsOwner implements Connection {
    handler: ConnectionHandler = DEAF;
    readonly remoteAddress: string;
    readonly scheme = 'https';
    protocol = '';
    serverName = '';
    readonly #tcp: TcpHandle;
    readonly #gate: TlsGate;
    #tls: TlsHandle | undefined;
    #state: 'first' | 'shaking' | 'secured' | 'plain' = 'first';
    #verifyCode = '';
    #facts: TlsFacts | undefined;
    /** Of the write that OpenSSL has; 0 when the kernel has taken all of it. */
    #sentBytes = 0;
    #isWriting = false;
    readonly #waiting = new PieceQueue();
    /** Decrypted while nobody read. */
    readonly #held = new PieceQueue();
    #waitsForDrain = false;
    #isOpen = false;
    #isPaused = false;
    #isReading = false;
    /** It was ended, or a write has failed: nothing more is written. */
    #isMute = false;
    #hasEnded = false;
    #isShuttingDown = false;
    #isShutDown = false;
    #hasRead = false;
    #isClosed = false;
    #error = '';

    constructor(tcp: TcpHandle, gate: TlsGate, remoteAddress: string) {
      super();
      this.#tcp = tcp;
      this.#gate = gate;
      this.remoteAddress = remoteAddress;
      tcp.connection = this;
      tcp.onread = onRead;
      tcp.useUserBuffer(readBuffer);
    }

    get tls(): TlsFacts | undefined {
      if (this.#state !== 'secured' || this.#tls === undefined) return this.#facts;
      // Before it is closed, or never: OpenSSL's part is gone then.
      if (!this.#isClosed) this.#facts ??= factsOf(this.#tls, this.#verifyCode, this.#gate);
      return this.#facts;
    }

    get pendingBytes(): number {
      return this.#sentBytes + this.#waiting.bytes;
    }

    open(): void {
      this.#isOpen = true;
      if (!this.#isPaused) this.#readOn();
    }

    // ---- reading ----------------------------------------------------------------------------

    read(bytes: number): void {
      if (this.#isClosed) return;
      if (bytes > 0) return this.#take(bytes);
      if (bytes === 0) return;
      if (bytes !== EOF) return this.fail(getSystemErrorName(bytes));
      this.#isReading = false;
      this.#hasRead = true;
      if (this.#state === 'shaking' && !this.#isMute)
        this.#gate.failed('the client left in its handshake');
      if (this.#state === 'plain' || this.#held.length === 0) this.#ended();
    }

    #take(bytes: number): void {
      switch (this.#state) {
        case 'first':
          return this.#begin(bytes);
        case 'plain':
          return;
        default:
          if (!this.#isPaused) return this.handler.onData(readBuffer, 0, bytes);
          this.#held.push(Buffer.from(readBuffer.subarray(0, bytes)));
      }
    }

    #ended(): void {
      this.handler.onEnd();
      this.#closeWhenOver();
    }

    #begin(bytes: number): void {
      if (!isHandshake(readBuffer[0] ?? 0)) return this.#answerPlain();
      const tls = wrap(this.#tcp, this.#gate.context);
      if (tls === undefined) return this.fail('EPROTO');
      this.#tls = tls;
      this.#state = 'shaking';
      Object.assign(tls, ofTls, { connection: this });
      tls.onread = onRead;
      tls.useUserBuffer(readBuffer);
      const { asksClients, requiresClients, asksNames } = this.#gate;
      // Not `requires`: one without a certificate gets an answer that says what is missing.
      if (asksClients) tls.setVerifyMode(true, false);
      if (asksNames || requiresClients) tls.enableCertCb();
      tls.setALPNProtocols(PROTOCOL_BYTES);
      // It reads on itself now.
      this.#tcp.readStop();
      if (this.#isReading) tls.readStart();
      tls.receive(readBuffer.subarray(0, bytes));
      this.#flush();
    }

    /** Within OpenSSL: what it makes us do is done in a turn of its own. */
    choose(tls: TlsHandle, info: unknown): void {
      const context = contextAsked(this.#gate, info);
      if (context === undefined) return void setImmediate(() => this.#refuseName());
      const native: unknown = context.context;
      if (context !== this.#gate.context && typeof native === 'object' && native !== null) {
        tls.sni_context = native;
      }
      tls.certCbDone();
    }

    #refuseName(): void {
      if (this.#isClosed) return;
      this.#gate.failed(UNKNOWN_NAME_CODE);
      const request = newWrite();
      request.keep = UNKNOWN_NAME_ALERT;
      this.#tcp.writeBuffer(request, UNKNOWN_NAME_ALERT);
      this.#isMute = true;
      this.#closeSoftly();
    }

    handshakeDone(): void {
      const tls = this.#tls;
      if (tls === undefined || this.#state !== 'shaking') return;
      this.#state = 'secured';
      const [protocol, name] = [tls.getALPNNegotiatedProtocol(), tls.getServername()];
      if (typeof protocol === 'string') this.protocol = protocol;
      if (typeof name === 'string') this.serverName = name.toLowerCase();
      if (this.#gate.asksClients) this.#verifyCode = codeOf(tls.verifyError());
      if (this.#waiting.length > 0 || this.#hasEnded) setImmediate(() => this.#flush());
    }

    failedBy(error: unknown): void {
      if (this.#isClosed) return;
      const code = codeOf(error) || 'EPROTO';
      if (this.#state === 'secured') return this.fail(code);
      this.#gate.failed(code);
      // OpenSSL has written an alert, which a close over unread bytes would take away.
      this.#isMute = true;
      this.#closeSoftly();
    }

    #answerPlain(): void {
      this.#state = 'plain';
      this.#gate.failed(PLAIN_CODE);
      const request = newWrite();
      this.#tcp.writeLatin1String(request, PLAIN_ANSWER);
      this.#isMute = true;
      this.#closeSoftly();
    }

    /** FIN, then what the client still sends is thrown away; the owner's deadline ends it. */
    #closeSoftly(): void {
      this.#waiting.clear();
      this.#held.clear();
      this.#shutDown(this.#tcp);
    }

    // ---- writing ----------------------------------------------------------------------------

    write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean {
      if (before === '' && start === end && after === '') return !this.#waitsForDrain;
      if (this.#isClosed || this.#isMute) return !this.#waitsForDrain;
      const piece = scratches.fill(before, buffer, start, end, after);
      const tls = this.#tls;
      if (tls === undefined || this.#isWriting) return this.#keep(Buffer.from(piece));
      return this.#send(tls, piece);
    }

    writeText(text: string): boolean {
      return this.write(text, NO_BYTES, 0, 0, '');
    }

    /** Never as a string: where the kernel refuses it at once, Node uses memory that it has freed. */
    #send(tls: TlsHandle, piece: Buffer): boolean {
      const request = newWrite();
      request.connection = this;
      this.#isWriting = true;
      const code = tls.writeBuffer(request, piece);
      if (code !== 0) {
        this.#isWriting = false;
        this.#writeFailed(code);
      }
      // It is over already, where the kernel refused it: `written` has heard of it.
      if (!this.#isWriting) return true;
      const isTaken = this.#state === 'secured' && this.#tcp.writeQueueSize === 0;
      this.#sentBytes = isTaken ? 0 : piece.length;
      return this.#isThrough();
    }

    #keep(piece: Buffer): boolean {
      this.#waiting.push(piece);
      return this.#isThrough();
    }

    #isThrough(): boolean {
      const isFull = this.pendingBytes >= HIGH_WATER || this.#waiting.length >= QUEUED_MAX;
      if (isFull) this.#waitsForDrain = true;
      return !this.#waitsForDrain;
    }

    written(status: number): void {
      this.#isWriting = false;
      this.#sentBytes = 0;
      if (this.#isClosed) return;
      if (status < 0) return this.#writeFailed(status);
      this.#flush();
      if (this.#isWriting || !this.#waitsForDrain || this.#isClosed) return;
      this.#waitsForDrain = false;
      this.handler.onDrain();
    }

    /** What has waited leaves as one, then perhaps the end. */
    #flush(): void {
      const tls = this.#tls;
      if (tls === undefined || this.#isWriting || this.#isClosed) return;
      const all = this.#waiting.takeAll();
      if (all !== undefined) this.#send(tls, all);
      else if (this.#hasEnded) this.#shutDown(tls);
    }

    #writeFailed(code: number): void {
      if (this.#error !== '') return;
      this.#isMute = true;
      this.#error = getSystemErrorName(code);
      // Not in the middle of the caller's own work, who does not expect an answer in there.
      process.nextTick(() => this.destroy());
    }

    // ---- flow -------------------------------------------------------------------------------

    pause(): void {
      this.#isPaused = true;
      if (!this.#isReading) return;
      this.#isReading = false;
      (this.#tls ?? this.#tcp).readStop();
    }

    resume(): void {
      this.#isPaused = false;
      this.#giveHeld();
      if (!this.#isPaused) this.#readOn();
    }

    #giveHeld(): void {
      while (!this.#isPaused && !this.#isClosed) {
        const piece = this.#held.shift();
        if (piece === undefined) return;
        this.handler.onData(piece, 0, piece.length);
        if (this.#held.length === 0 && this.#hasRead && !this.#isClosed) this.#ended();
      }
    }

    #readOn(): void {
      if (!this.#isOpen || this.#isReading || this.#isClosed || this.#hasRead) return;
      this.#isReading = true;
      const code = (this.#tls ?? this.#tcp).readStart();
      if (code !== 0) this.fail(getSystemErrorName(code));
    }

    // ---- ending -----------------------------------------------------------------------------

    end(): void {
      if (this.#isMute || this.#isClosed) return;
      this.#isMute = true;
      this.#hasEnded = true;
      if (this.#tls !== undefined) this.#flush();
      else if (this.#waiting.length === 0) this.#shutDown(this.#tcp);
    }

    #shutDown(stream: Pick<TlsHandle, 'shutdown'>): void {
      if (this.#isShuttingDown) return;
      this.#isShuttingDown = true;
      const request = handles.newShutdown();
      request.oncomplete = () => {
        this.#isShutDown = true;
        this.#closeWhenOver();
      };
      const code = stream.shutdown(request);
      if (code !== 0) this.fail(getSystemErrorName(code));
    }

    /** Both sides have ended. */
    #closeWhenOver(): void {
      if (this.#hasRead && this.#isShutDown) this.destroy();
    }

    fail(code: string): void {
      if (this.#isClosed) return;
      if (this.#error === '') this.#error = code;
      this.destroy();
    }

    destroy(): void {
      if (this.#isClosed) return;
      this.#stop();
      this.#tcp.close(() => this.#closed());
    }

    reset(): void {
      // While it is being shut down it cannot be reset, and whoever asks for that can never close it.
      if (this.#isShuttingDown && !this.#isShutDown) return this.destroy();
      if (this.#isClosed) return;
      this.#stop();
      this.#tcp.reset(() => this.#closed());
    }

    #stop(): void {
      void this.tls; // What is told of it later.
      if (this.#isReading) (this.#tls ?? this.#tcp).readStop();
      this.#isReading = false;
      this.#isClosed = true;
      this.#waiting.clear();
      this.#held.clear();
    }

    #closed(): void {
      // Not before: it may be OpenSSL that called us.
      this.#tls?.destroySSL();
      this.#tls = undefined;
      const last = this.handler;
      this.handler = DEAF;
      last.onClose(this.#error);
    }
  }

  return (tcp, gate, remoteAddress) => new RawTlsConnection(tcp, gate, remoteAddress);
}

function codeOf(error: unknown): string {
  const code: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : '';
  return typeof code === 'string' ? code : '';
}
