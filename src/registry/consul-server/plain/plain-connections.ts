// Connections whose clients send plain requests, one after the other: most, and all that cost much
// (writers and watchers). A connection costs one object here, a request nothing but what it asks for,
// an answer one write. As soon as something comes that is not plain, the connection goes to node:http
// with all that was not answered, and stays there. How a request is carried out is not known here.

import type { Socket } from 'node:net';
import { type Answer, acceptsGzip, HEAD_TIMEOUT_MS, SEND_TIMEOUT_MS } from '../http.ts';
import { type Encoding, renderAnswer } from './plain-answer.ts';
import { type PlainRequest, parsePlain } from './plain-request.ts';

const SWEEP_MS = 5_000;
const NOTHING = Buffer.alloc(0);

export type PlainOptions = {
  /** Carries the request out; its answer goes to the connection's `send`. */
  readonly serve: (request: PlainRequest, connection: PlainConnection) => void;
  /** Takes a connection over: node:http's own listener of new ones. */
  readonly take: (socket: Socket) => void;
  /** Ends one that sent nothing for too long since it is there. */
  readonly refuseSlow: (socket: Socket) => void;
  readonly idleTimeoutMs: number;
};

export class PlainConnections {
  readonly options: PlainOptions;
  /** No further request is answered without the end of its connection. */
  isClosing = false;
  readonly #all = new Set<PlainConnection>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: PlainOptions) {
    this.options = options;
    this.#timer = setInterval(() => this.sweep(performance.now()), SWEEP_MS).unref();
  }

  enter(socket: Socket): void {
    const connection = new PlainConnection(socket, this);
    this.#all.add(connection);
  }

  forget(connection: PlainConnection): void {
    this.#all.delete(connection);
  }

  /** Ends connections that were silent for too long. */
  sweep(nowMs: number): void {
    for (const connection of this.#all) connection.sweep(nowMs);
  }

  /** Ends those on which nothing is under way; the others end with their answer. */
  close(): void {
    this.isClosing = true;
    clearInterval(this.#timer);
    for (const connection of this.#all) if (!connection.isBusy) connection.destroy();
  }

  destroyAll(): void {
    for (const connection of this.#all) connection.destroy();
  }
}

export class PlainConnection {
  /** From the request until its answer is out. */
  isBusy = false;
  readonly #socket: Socket;
  readonly #owner: PlainConnections;
  #request: PlainRequest | undefined;
  /** Whom to tell when the client leaves before its answer. */
  #gone: (() => void) | undefined;
  /** Not ours any more: closed, or with node:http. */
  #isLeft = false;
  #hasAsked = false;
  #quietSinceMs = performance.now();

  constructor(socket: Socket, owner: PlainConnections) {
    this.#socket = socket;
    this.#owner = owner;
    socket.on('data', this.#read).on('end', this.#end).on('close', this.#close);
    socket.on('error', ignore); // 'close' follows. It stays, whoever takes the connection over.
  }

  /** Sends the answer to the request under way, unless the client left. */
  send(answer: Answer): void {
    if (this.#isLeft || this.#request === undefined) return;
    const { body } = answer;
    if (body.bytes.length === 0 || !acceptsGzip(this.#request.headers['accept-encoding'])) {
      this.#write(answer, body.bytes, '');
      return;
    }
    const gzipped = body.gzipped();
    if (Buffer.isBuffer(gzipped)) {
      this.#write(answer, gzipped, 'gzip');
      return;
    }
    gzipped.then(
      (bytes) => this.#write(answer, bytes, 'gzip'),
      () => this.#write(answer, body.bytes, ''),
    );
  }

  readBody(bytesMax: number): Buffer | undefined {
    const { body = NOTHING } = this.#request ?? {};
    return body.length <= bytesMax ? body : undefined;
  }

  async *bodyStream(): AsyncIterable<Uint8Array> {
    const { body = NOTHING } = this.#request ?? {};
    if (body.length > 0) yield body;
  }

  /** Calls back when the client leaves, or ends its side, before its answer; returns the way to stop listening. */
  onGone(callback: () => void): () => void {
    this.#gone = callback;
    if (this.#isLeft || this.#socket.readableEnded) {
      queueMicrotask(() => this.#gone === callback && this.#tellGone());
    }
    return () => {
      if (this.#gone === callback) this.#gone = undefined;
    };
  }

  sweep(nowMs: number): void {
    const quietMs = nowMs - this.#quietSinceMs;
    if (this.isBusy) return;
    if (this.#hasAsked) {
      if (quietMs > this.#owner.options.idleTimeoutMs) this.destroy();
    } else if (quietMs > HEAD_TIMEOUT_MS) {
      this.#leave();
      this.#owner.options.refuseSlow(this.#socket);
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #read = (bytes: Buffer): void => {
    const socket = this.#socket;
    if (this.isBusy) {
      // It waits for its turn, and what follows waits in the system.
      socket.pause();
      socket.unshift(bytes);
      return;
    }
    const request = parsePlain(bytes);
    if (request === undefined) {
      this.#leave();
      socket.pause();
      socket.unshift(bytes);
      this.#owner.options.take(socket);
      socket.resume();
      return;
    }
    this.isBusy = true;
    this.#hasAsked = true;
    this.#request = request;
    this.#owner.options.serve(request, this);
  };

  readonly #end = (): void => {
    if (!this.isBusy) this.#socket.end();
    else this.#tellGone();
  };

  readonly #close = (): void => {
    this.#leave();
    this.#tellGone();
  };

  #write(answer: Answer, body: Buffer, encoding: Encoding): void {
    if (this.#isLeft) return;
    const socket = this.#socket;
    const closes =
      answer.closes === true || this.#request?.closes === true || this.#owner.isClosing;
    const rendered = renderAnswer(answer, body, { encoding, closes });
    this.#request = undefined; // An answer is sent once.
    if (typeof rendered === 'string') socket.write(rendered, 'latin1');
    else socket.write(rendered);
    if (closes) socket.destroySoon();
    if (socket.writableLength === 0) this.#next();
    else this.#waitUntilSent();
  }

  /** An answer that the client does not take occupies memory: its connection may not stay silent. */
  #waitUntilSent(): void {
    const socket = this.#socket;
    const cut = (): void => this.destroy();
    socket.setTimeout(SEND_TIMEOUT_MS, cut);
    const sent = (): void => {
      socket.setTimeout(0, cut);
      this.#next();
    };
    if (socket.writableEnded) socket.once('finish', sent);
    else socket.write(NOTHING, (error) => error ?? sent());
  }

  #next(): void {
    const socket = this.#socket;
    this.isBusy = false;
    this.#quietSinceMs = performance.now();
    if (this.#isLeft || socket.writableEnded) return;
    // The client ended its side and has its answer: nothing more can come.
    if (socket.readableEnded) socket.end();
    else if (socket.isPaused()) socket.resume();
  }

  #leave(): void {
    this.#isLeft = true;
    this.#owner.forget(this);
    const socket = this.#socket;
    socket.off('data', this.#read).off('end', this.#end).off('close', this.#close);
  }

  #tellGone(): void {
    const gone = this.#gone;
    this.#gone = undefined;
    gone?.();
  }
}

function ignore(): void {}
