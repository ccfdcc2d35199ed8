// One answer of Consul's HTTP API and how it is written: header names in exactly Consul's case, no
// Connection field unless needed, gzip when asked. Bodies are buffers that many answers may share.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import { gzip, gzipSync } from 'node:zlib';

export type Answer = {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Body;
  /** Sent instead of the body, as it comes. What goes wrong on the way cuts the answer. */
  readonly stream?: Readable;
  /** Given to an answer that many get: what is rendered for the first is sent to all. */
  readonly shared?: SharedAnswer;
  /** The connection ends with this answer: what the client still sends of its body is not worth reading. */
  readonly closes?: true;
};

/** Up to this size a body is compressed at once, above it off the event loop. */
const GZIP_AT_ONCE_MAX = 16 * 1024;
/** Up to this size head and body are sent as one text. */
const ONE_WRITE_MAX = 8 * 1024;
/** A client that takes nothing of its answer for this long, at most twice, is cut off. */
export const SEND_TIMEOUT_MS = 30_000;
/** A refused body of which nothing came for this long is not waited for. */
const SILENCE_MS = 500;

/** What was sent to somebody already; good until its Date is over. */
export class Sent<Rendered> {
  #rendered: Rendered | undefined;
  #second = 0;

  get fresh(): Rendered | undefined {
    return this.#second === wallSecond() ? this.#rendered : undefined;
  }

  keep(rendered: Rendered): void {
    this.#rendered = rendered;
    this.#second = wallSecond();
  }
}

/** Head and body: as node:http sends them, and as bytes for plain requests. */
export class SharedAnswer {
  readonly text = new Sent<string>();
  readonly bytes = new Sent<Buffer>();
  readonly gzipped = new Sent<Buffer>();
}

function wallSecond(): number {
  return Math.floor(Date.now() / 1000);
}

/** A body, and its compressed form once somebody asked for it. */
export class Body {
  readonly bytes: Buffer;
  #gzipped: Buffer | Promise<Buffer> | undefined;

  constructor(content: string | Uint8Array) {
    this.bytes = typeof content === 'string' ? Buffer.from(content) : asBuffer(content);
  }

  gzipped(): Buffer | Promise<Buffer> {
    this.#gzipped ??=
      this.bytes.length <= GZIP_AT_ONCE_MAX
        ? gzipSync(this.bytes)
        : new Promise((resolve, reject) => {
            gzip(this.bytes, { level: 4 }, (error, out) => (error ? reject(error) : resolve(out)));
          });
    return this.#gzipped;
  }
}

const EMPTY = new Body('');
export const JSON_TYPE = ['Content-Type', 'application/json'] as const;
const VARY = ['Vary', 'Accept-Encoding'] as const;

export function jsonAnswer(text: string, headers: readonly string[] = [], status = 200): Answer {
  return { status, headers: [...JSON_TYPE, ...VARY, ...headers], body: new Body(text) };
}

export function textAnswer(status: number, text: string): Answer {
  return {
    status,
    headers: [...VARY, 'Content-Type', 'text/plain; charset=utf-8'],
    body: new Body(text),
  };
}

export function emptyAnswer(status: number, headers: readonly string[] = []): Answer {
  return { status, headers, body: EMPTY };
}

export function variedAnswer(status: number, headers: readonly string[], body = EMPTY): Answer {
  return { status, headers: [...VARY, ...headers], body };
}

/** The same answer, for whoever sends it to many. */
export function shared(answer: Answer): Answer {
  return { ...answer, shared: new SharedAnswer() };
}

export const REASONS: Readonly<Record<number, string>> = { 413: 'Request Entity Too Large' };

export function respond(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { body, stream } = answer;
  if (stream !== undefined) {
    writeStream(request, response, answer, stream);
    return;
  }
  if (body.bytes.length === 0 || !acceptsGzip(request.headers['accept-encoding'])) {
    if (answer.shared !== undefined && writeShared(request, response, answer, answer.shared))
      return;
    write(request, response, answer, body.bytes, []);
    return;
  }
  const gzipped = body.gzipped();
  if (Buffer.isBuffer(gzipped)) {
    write(request, response, answer, gzipped, ['Content-Encoding', 'gzip']);
    return;
  }
  gzipped.then(
    (bytes) => write(request, response, answer, bytes, ['Content-Encoding', 'gzip']),
    () => write(request, response, answer, body.bytes, []),
  );
}

function writeStream(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  stream: Readable,
): void {
  if (response.destroyed || response.headersSent) {
    stream.destroy();
    return;
  }
  if (response.shouldKeepAlive === (request.httpVersion === '1.1')) {
    response.removeHeader('Connection');
  }
  response.writeHead(answer.status, [...answer.headers]);
  // Either side may break off; the other is then destroyed, and there is nobody to tell.
  pipeline(stream, response, () => {});
}

function write(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  bytes: Buffer,
  encoding: readonly string[],
  onText: (text: string) => void = () => {},
): void {
  if (response.destroyed || response.headersSent) return;
  if (answer.closes === true) response.shouldKeepAlive = false;
  // Consul sends no Connection field where the version's default holds.
  if (response.shouldKeepAlive === (request.httpVersion === '1.1')) {
    response.removeHeader('Connection');
  }
  const headers = answer.headers.concat(encoding, 'Content-Length', String(bytes.length));
  const reason = REASONS[answer.status];
  if (reason === undefined) response.writeHead(answer.status, headers);
  else response.writeHead(answer.status, reason, headers);
  if (answer.closes === true && !request.complete && !expectsContinue(request)) {
    // To close while the client sends would reset the connection, and take the answer with it.
    response.write(bytes);
    const end = (): unknown => response.end();
    const silence = setTimeout(end, SILENCE_MS);
    request.on('data', () => silence.refresh());
    request.once('end', end);
    request.once('close', () => {
      clearTimeout(silence);
      end();
    });
  } else if (request.method === 'HEAD') {
    response.end();
  } else if (!endWithHead(response, bytes, onText)) {
    response.end(bytes);
  }
  limitSending(response);
}

/**
 * Sends head and body as one text: one plain write instead of a vectored one of three pieces, which
 * saves a third of what an answer costs. node:http keeps the head as a text in `_header` until it is
 * sent; that is no documented member, so whatever else stands there means the usual way (false).
 */
function endWithHead(
  response: ServerResponse,
  bytes: Buffer,
  onText: (text: string) => void,
): boolean {
  const head: unknown = Reflect.get(response, '_header');
  if (bytes.length > ONE_WRITE_MAX || typeof head !== 'string' || !head.endsWith('\r\n\r\n')) {
    return false;
  }
  const text = bytes.length === 0 ? head : head + bytes.toString('latin1');
  Reflect.set(response, '_header', text);
  onText(text);
  response.end();
  return true;
}

/**
 * Sends an answer as the one before it was rendered, where nothing in the request makes it another
 * one. To render it costs as much as all else but the write itself.
 */
function writeShared(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  shared: SharedAnswer,
): boolean {
  const isPlain =
    request.method !== 'HEAD' &&
    request.httpVersion === '1.1' &&
    request.headers.expect === undefined &&
    response.shouldKeepAlive;
  if (!isPlain || response.destroyed || response.headersSent) return false;
  const sent = shared.text.fresh;
  if (sent === undefined) {
    write(request, response, answer, answer.body.bytes, [], (text) => shared.text.keep(text));
    return true;
  }
  Reflect.set(response, '_header', sent);
  response.end();
  limitSending(response);
  return true;
}

/** An answer that the client does not take occupies memory: its connection may not stay silent. */
function limitSending(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null || socket.writableLength === 0) return;
  socket.setTimeout(SEND_TIMEOUT_MS);
  // Before node:http's own listener, which then sets the limit of an idle connection.
  response.prependOnceListener('finish', () => socket.setTimeout(0));
}

/** Whether the client sends its body only after it was told to. */
export function expectsContinue(request: IncomingMessage): boolean {
  return request.httpVersion === '1.1' && /\b100-continue\b/i.test(request.headers.expect ?? '');
}

/** Of the field Accept-Encoding. */
export function acceptsGzip(accepted: string | readonly string[] | undefined): boolean {
  return typeof accepted === 'string' && /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(accepted);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
