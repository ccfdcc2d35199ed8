// Handles of sockets behind the Transport face, without net.Socket and its streams: a quarter less of our own time per
// request, and 1.7 kB less of an idle client. Which of them this Node has is found out in handles.ts; the documented
// way is node-transport.ts.
//
// Safety of the shared buffers, as there: the kernel usually takes a write at once. When it does not, libuv keeps
// pointing at our memory until it can, so that the scratch buffer is given away to the write and a new one is made; so
// is the request of the write, which libuv does not touch otherwise. No byte of one connection can reach another.

import { isIP, isIPv6 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { readBuffer } from '../read-buffer.ts';
import {
  type Connection,
  type ConnectionHandler,
  DEAF,
  QUEUED_MAX,
  type Transport,
} from './connection.ts';
import { beginEvent, endEvent } from './event-clock.ts';
import {
  type Handles,
  isTcpHandle,
  openHandles,
  type TcpHandle,
  type WriteRequest,
} from './handles.ts';
import { readLastBytes } from './last-bytes.ts';
import { listenNode, nodeTransport } from './node-transport.ts';
import { Scratches, TEXT_BYTES_MAX } from './scratches.ts';
import { rawTls } from './tls/raw-tls.ts';
import type { TlsGate } from './tls/tls-gate.ts';
import { openTlsWrap } from './tls/tls-handles.ts';

const EOF = -4095;
/** Bytes that may wait in one socket, as in Node's. */
const HIGH_WATER = 64 * 1024;

/** Undefined: this Node has no such handles. */
export function openRawTransport(
  handles: Handles | undefined = openHandles(),
): Transport | undefined {
  return handles === undefined ? undefined : rawTransport(handles);
}

function rawTransport(handles: Handles): Transport {
  const { state, readBytes, wasAsync } = handles;
  const scratches = new Scratches();

  function newWrite(): WriteRequest {
    return Object.assign(handles.newWrite(), {
      ...{ oncomplete: onWritten, connection: undefined, bytes: 0, keep: undefined },
    });
  }

  /** Handed to each write; given away with one that does not go through at once. */
  let spare = newWrite();

  function onWritten(this: WriteRequest, status: number): void {
    const { connection } = this;
    this.keep = undefined;
    if (connection instanceof RawConnection) connection.written(this.bytes, status);
  }

  function onRead(this: TcpHandle): void {
    const { connection } = this;
    if (!(connection instanceof RawConnection)) return;
    beginEvent();
    try {
      connection.read(state[readBytes] ?? 0);
    } finally {
      endEvent();
    }
  }

  class RawConnection implements Connection {
    handler: ConnectionHandler;
    readonly remoteAddress: string;
    readonly scheme = 'http';
    readonly protocol = '';
    readonly serverName = '';
    pendingBytes = 0;
    readonly #handle: TcpHandle;
    readonly #isOutgoing: boolean;
    /** Writes that the kernel has not taken in full. */
    #queued = 0;
    #waitsForDrain = false;
    #isOpen = false;
    #isPaused = false;
    #isReading = false;
    /** It was ended, or a write has failed: nothing more is written. */
    #isMute = false;
    #hasEnded = false;
    #isShutDown = false;
    #hasRead = false;
    #isClosed = false;
    #error = '';

    constructor(
      handle: TcpHandle,
      handler: ConnectionHandler,
      remoteAddress: string,
      isOutgoing: boolean,
    ) {
      this.#handle = handle;
      this.handler = handler;
      this.remoteAddress = remoteAddress;
      this.#isOutgoing = isOutgoing;
      handle.connection = this;
      handle.onread = onRead;
      handle.useUserBuffer(readBuffer);
    }

    /** The connection stands: what comes is read from now on. */
    open(): void {
      this.#isOpen = true;
      if (!this.#isPaused) this.#readOn();
    }

    connected(status: number): void {
      if (this.#isClosed) return;
      if (status < 0) return this.fail(status);
      this.open();
      this.handler.onConnect();
    }

    read(bytes: number): void {
      if (this.#isClosed) return;
      if (bytes > 0) return this.handler.onData(readBuffer, 0, bytes);
      if (bytes === 0) return;
      if (bytes !== EOF) return this.fail(bytes);
      this.#hasRead = true;
      this.#isReading = false;
      this.handler.onEnd();
      this.#closeWhenOver();
    }

    write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean {
      const bodyBytes = end - start;
      if (bodyBytes === 0) return this.writeText(before + after);
      if (bodyBytes <= TEXT_BYTES_MAX) {
        return this.writeText(before + buffer.toString('latin1', start, end) + after);
      }
      if (this.#isClosed || this.#isMute) return !this.#waitsForDrain;
      const piece = scratches.fill(before, buffer, start, end, after);
      const request = spare;
      const code = this.#handle.writeBuffer(request, piece);
      if (code === 0 && state[wasAsync] === 0) return !this.#waitsForDrain;
      if (code === 0) {
        request.keep = piece;
        scratches.giveLast();
      }
      return this.#wait(request, code, piece.length);
    }

    writeText(text: string): boolean {
      if (text === '' || this.#isClosed || this.#isMute) return !this.#waitsForDrain;
      const request = spare;
      const code = this.#handle.writeLatin1String(request, text);
      if (code === 0 && state[wasAsync] === 0) return !this.#waitsForDrain;
      return this.#wait(request, code, text.length);
    }

    /** It failed, or the kernel has not taken all of it. */
    #wait(request: WriteRequest, code: number, bytes: number): boolean {
      if (code !== 0) {
        this.#writeFailed(code);
        return true;
      }
      spare = newWrite();
      request.connection = this;
      request.bytes = bytes;
      this.pendingBytes += bytes;
      this.#queued += 1;
      if (this.pendingBytes >= HIGH_WATER || this.#queued >= QUEUED_MAX) this.#waitsForDrain = true;
      return !this.#waitsForDrain;
    }

    written(bytes: number, status: number): void {
      this.pendingBytes -= bytes;
      this.#queued -= 1;
      if (this.#isClosed) return;
      if (status < 0) return this.#writeFailed(status);
      if (this.#queued > 0) return;
      if (this.#hasEnded) this.#shutDown();
      if (!this.#waitsForDrain) return;
      this.#waitsForDrain = false;
      this.handler.onDrain();
    }

    #writeFailed(code: number): void {
      if (this.#error !== '') return;
      this.#isMute = true;
      this.#error = getSystemErrorName(code);
      // Not in the middle of the caller's own work, who does not expect an answer in there.
      process.nextTick(() => {
        if (this.#isClosed) return;
        const isUnread = this.#isOutgoing && !this.#hasRead;
        if (isUnread) readLastBytes(this.#handle.fd, this.#error, readBuffer, () => this.handler);
        this.destroy();
      });
    }

    pause(): void {
      this.#isPaused = true;
      this.#readNoMore();
    }

    resume(): void {
      this.#isPaused = false;
      this.#readOn();
    }

    #readNoMore(): void {
      if (!this.#isReading) return;
      this.#isReading = false;
      this.#handle.readStop();
    }

    #readOn(): void {
      if (!this.#isOpen || this.#isReading || this.#isClosed || this.#hasRead) return;
      this.#isReading = true;
      const code = this.#handle.readStart();
      if (code !== 0) this.fail(code);
    }

    end(): void {
      if (this.#isMute || this.#isClosed) return;
      this.#isMute = true;
      this.#hasEnded = true;
      // Behind what waits: libuv could do that, but what it is to shut down it cannot reset any more.
      if (this.#queued === 0) this.#shutDown();
    }

    #shutDown(): void {
      const request = handles.newShutdown();
      request.oncomplete = () => {
        this.#isShutDown = true;
        this.#closeWhenOver();
      };
      const code = this.#handle.shutdown(request);
      if (code !== 0) this.fail(code);
    }

    /** Both sides have ended. */
    #closeWhenOver(): void {
      if (this.#hasRead && this.#isShutDown) this.destroy();
    }

    fail(code: number): void {
      if (this.#isClosed) return;
      if (this.#error === '') this.#error = getSystemErrorName(code);
      this.destroy();
    }

    destroy(): void {
      if (this.#isClosed) return;
      this.#stop();
      this.#handle.close(() => this.#closed());
    }

    reset(): void {
      // While it is being shut down it cannot be reset, and whoever asks for that can never close it.
      if (this.#hasEnded && this.#queued === 0 && !this.#isShutDown) return this.destroy();
      if (this.#isClosed) return;
      this.#stop();
      this.#handle.reset(() => this.#closed());
    }

    #stop(): void {
      this.#readNoMore();
      this.#isClosed = true;
    }

    #closed(): void {
      const last = this.handler;
      this.handler = DEAF;
      last.onClose(this.#error);
    }
  }

  const wrap = openTlsWrap();
  const acceptTls = wrap && rawTls(handles, wrap);

  /** False: the documented way is the one for it. */
  function acceptSecured(
    handle: TcpHandle,
    gate: TlsGate | undefined,
    onConnection: (connection: Connection) => void,
  ): boolean {
    if (acceptTls === undefined) return false;
    const peer = peerOf(handle);
    if (gate === undefined || peer === undefined) {
      handle.close(() => {});
      return true;
    }
    handle.setNoDelay(true);
    const connection = acceptTls(handle, gate, peer);
    onConnection(connection);
    connection.open();
    return true;
  }

  function accept(handle: TcpHandle, onConnection: (connection: Connection) => void): void {
    const peer = peerOf(handle);
    if (peer === undefined) return handle.close(() => {});
    handle.setNoDelay(true);
    const connection = new RawConnection(handle, DEAF, peer, false);
    onConnection(connection);
    connection.open();
  }

  return {
    listen: (options, onConnection, onError) =>
      listenNode(options, {
        onConnection,
        onError,
        onHandle: (handle) => {
          if (!isTcpHandle(handle)) return false;
          const gate = options.tls === undefined ? 'plain' : options.tls();
          if (gate !== 'plain') return acceptSecured(handle, gate, onConnection);
          accept(handle, onConnection);
          return true;
        },
      }),

    connect(host, port, handler, tls) {
      // Whose names have several addresses, Node tries all of them.
      if (isIP(host) === 0 || tls !== undefined) {
        return nodeTransport.connect(host, port, handler, tls);
      }
      const handle = handles.newTcp();
      const connection = new RawConnection(handle, handler, host, true);
      const request = handles.newConnect();
      request.oncomplete = (status) => connection.connected(status);
      handle.setNoDelay(true);
      const code = isIPv6(host)
        ? handle.connect6(request, host, port)
        : handle.connect(request, host, port);
      if (code !== 0) connection.fail(code);
      return connection;
    },
  };
}

/** A client that is gone before it was accepted has no address, and nothing to say. */
function peerOf(handle: TcpHandle): string | undefined {
  const peer: { address?: string } = {};
  return handle.getpeername(peer) === 0 ? peer.address : undefined;
}
