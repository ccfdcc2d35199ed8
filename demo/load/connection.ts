// One client connection on a raw socket: sends one request at a time and says exactly how it ended.
// It never retries and never hides a failure; what the outcome words mean is in the table below.

import { connect, type Socket } from 'node:net';
import { messageOf, systemCode } from '../../src/base/errors.ts';
import { ResponseReader } from './response.ts';

/**
 * | outcome | meaning |
 * |---|---|
 * | ok | the whole, right answer to this request |
 * | wrong | a whole answer that is not this request's: other id, other body |
 * | status | an answer with a status other than 200 |
 * | refused | no connection |
 * | reset_on_reuse | a kept connection ended before any byte of the answer: the client's race with a closing peer |
 * | reset | a new connection ended before any byte of the answer |
 * | truncated | the answer began and did not end |
 * | malformed | bytes that are not HTTP |
 * | timeout | no whole answer in time |
 * | not_sent | too many requests were waiting already |
 */
export type Outcome =
  | 'ok'
  | 'wrong'
  | 'status'
  | 'refused'
  | 'reset_on_reuse'
  | 'reset'
  | 'truncated'
  | 'malformed'
  | 'timeout'
  | 'not_sent';

export type ClientRequest = {
  readonly method: string;
  readonly path: string;
  readonly id: string;
  /** `none`: no body; else how the body in `parts` is framed. */
  readonly framing: 'none' | 'length' | 'chunked';
  readonly parts: readonly Buffer[];
  /** Ask the peer to close afterwards. */
  readonly close: boolean;
};

/** `response` is there when a whole one was read, whatever its status. */
export type Reply = {
  readonly outcome: Exclude<Outcome, 'wrong' | 'status' | 'not_sent'>;
  readonly detail: string;
  readonly response: ResponseReader | undefined;
};

export class Connection {
  #socket: Socket;
  #exchanges = 0;
  #reader: ResponseReader | undefined;
  #finish: ((reply: Reply) => void) | undefined;
  #connected = false;
  #usable = true;
  #received = 0;
  #authority: string;

  constructor(host: string, port: number) {
    this.#authority = `${host}:${port}`;
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('connect', () => {
      this.#connected = true;
    });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('end', () => {
      this.#usable = false;
      this.#reader?.end();
      if (this.#reader?.done) this.#settle('ok', '');
    });
    this.#socket.on('error', (error) => this.#broken(systemCode(error) || messageOf(error)));
    this.#socket.on('close', () => {
      this.#usable = false;
      this.#broken('closed by the peer');
    });
  }

  /** True when another exchange may be sent. */
  get usable(): boolean {
    return this.#usable && this.#finish === undefined && !this.#socket.destroyed;
  }

  close(): void {
    this.#usable = false;
    this.#socket.destroy();
  }

  exchange(request: ClientRequest, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#settle(
          'timeout',
          `no whole answer in ${timeoutMs} ms (${this.#received} bytes read)`,
        );
        this.close();
      }, timeoutMs);
      this.#received = 0;
      this.#reader = new ResponseReader(request.method);
      this.#finish = (reply) => {
        clearTimeout(timer);
        resolve(reply);
      };
      void this.#write(request);
    });
  }

  async #write(request: ClientRequest): Promise<void> {
    const finish = this.#finish;
    const [first, ...rest] = request.parts;
    const isChunked = request.framing === 'chunked';
    this.#socket.cork();
    this.#socket.write(headOf(request, this.#authority), 'latin1');
    if (first !== undefined) this.#writePart(first, isChunked);
    this.#socket.uncork();
    for (const part of rest) {
      if (this.#socket.writableNeedDrain) {
        await new Promise((resolve) => {
          this.#socket.once('drain', resolve);
          this.#socket.once('close', resolve);
        });
      } else {
        await new Promise((resolve) => setImmediate(resolve));
      }
      // The answer came, or the connection went, before the body was sent.
      if (this.#finish !== finish || this.#socket.destroyed) return this.close();
      this.#writePart(part, isChunked);
    }
    if (isChunked) this.#socket.write('0\r\n\r\n');
  }

  #writePart(part: Buffer, isChunked: boolean): void {
    if (!isChunked) {
      this.#socket.write(part);
      return;
    }
    this.#socket.write(`${part.length.toString(16)}\r\n`);
    this.#socket.write(part);
    this.#socket.write('\r\n');
  }

  #read(chunk: Buffer): void {
    if (this.#reader === undefined || this.#finish === undefined) {
      this.close(); // Bytes that nobody asked for: the next exchange must not take them.
      return;
    }
    this.#received += chunk.length;
    this.#reader.push(chunk);
    if (this.#reader.trouble !== '') this.#settle('malformed', this.#reader.trouble);
    else if (this.#reader.done) this.#settle('ok', '');
  }

  #broken(detail: string): void {
    if (!this.#connected) this.#settle('refused', detail);
    else if (this.#received > 0) this.#settle('truncated', detail);
    else this.#settle(this.#exchanges > 0 ? 'reset_on_reuse' : 'reset', detail);
  }

  #settle(outcome: Reply['outcome'], detail: string): void {
    const finish = this.#finish;
    if (finish === undefined) return;
    this.#finish = undefined;
    this.#exchanges += 1;
    if (this.#reader?.reusable !== true) this.close();
    finish({ outcome, detail, response: outcome === 'ok' ? this.#reader : undefined });
  }
}

function headOf(request: ClientRequest, authority: string): string {
  const bytes = request.parts.reduce((sum, part) => sum + part.length, 0);
  return (
    `${request.method} ${request.path} HTTP/1.1\r\nHost: ${authority}\r\n` +
    `X-Request-Id: ${request.id}\r\n` +
    (request.framing === 'length' ? `Content-Length: ${bytes}\r\n` : '') +
    (request.framing === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : '') +
    `${request.close ? 'Connection: close\r\n' : ''}\r\n`
  );
}
