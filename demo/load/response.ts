// Reads one HTTP/1.1 response from bytes: status, fields, and the body as a hash, a length and its
// first bytes. Strict about framing, because its user counts truncated and mixed-up answers. It is
// the load generator's own reader on purpose: sharing the gateway's parser would share its faults.

import { createHash } from 'node:crypto';

const HEAD_BYTES_MAX = 65_536;
const TEXT_BYTES_MAX = 512;

type State = 'head' | 'length' | 'size' | 'data' | 'crlf' | 'trailers' | 'close' | 'done' | 'bad';

export class ResponseReader {
  status = 0;
  readonly fields = new Map<string, string>();
  /** Why the bytes are not a response; '' while they may be one. */
  trouble = '';
  /** The first bytes of the body. */
  text = '';
  bodyBytes = 0;
  #state: State = 'head';
  #buffer: Buffer = Buffer.alloc(0);
  #left = 0;
  #hash = createHash('sha256');
  #bodyless: boolean;

  constructor(method: string) {
    this.#bodyless = method === 'HEAD';
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** False once the connection cannot carry another exchange. */
  get reusable(): boolean {
    return this.done && this.#buffer.length === 0 && this.fields.get('connection') !== 'close';
  }

  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  push(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    while (this.#step());
  }

  /** The peer closed: the end of a close-delimited body, a truncation of every other. */
  end(): void {
    if (this.#state === 'close') this.#state = 'done';
  }

  /** One step of the state machine; false when more bytes are needed or the end is reached. */
  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#head();
      case 'length':
      case 'data':
      case 'close':
        return this.#body();
      case 'size':
        return this.#size();
      case 'crlf': {
        const line = this.#line();
        if (line === undefined) return false;
        if (line !== '') return this.#fail('chunk longer than its size');
        this.#state = 'size';
        return true;
      }
      case 'trailers': {
        const line = this.#line();
        if (line === '') this.#state = 'done';
        return line !== undefined;
      }
      case 'done':
        if (this.#buffer.length > 0) this.trouble = 'bytes after the response';
        return false;
      case 'bad':
        return false;
    }
  }

  #head(): boolean {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end === -1) {
      return this.#buffer.length > HEAD_BYTES_MAX ? this.#fail('head too large') : false;
    }
    const [statusLine = '', ...lines] = this.#buffer.toString('latin1', 0, end).split('\r\n');
    this.#buffer = this.#buffer.subarray(end + 4);
    const match = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine);
    if (match === null) return this.#fail(`not a status line: ${statusLine.slice(0, 60)}`);
    this.fields.clear();
    for (const line of lines) {
      const colon = line.indexOf(':');
      if (colon < 1) return this.#fail(`not a field: ${line.slice(0, 60)}`);
      this.fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.status = Number(match[1]);
    if (this.status < 200) return true; // An interim response: the final one follows.
    const length = this.fields.get('content-length');
    if (this.#bodyless || this.status === 204 || this.status === 304) this.#state = 'done';
    else if (this.fields.get('transfer-encoding') !== undefined) this.#state = 'size';
    else if (length === undefined) this.#state = 'close';
    else this.#expect(Number(length), 'length');
    return true;
  }

  #size(): boolean {
    const line = this.#line();
    if (line === undefined) return false;
    if (!/^[0-9a-fA-F]{1,8}(;|$)/.test(line)) return this.#fail(`not a chunk size: ${line}`);
    const size = Number.parseInt(line, 16);
    if (size === 0) this.#state = 'trailers';
    else this.#expect(size, 'data');
    return true;
  }

  #expect(bytes: number, state: 'length' | 'data'): void {
    this.#left = bytes;
    this.#state = state === 'length' && bytes === 0 ? 'done' : state;
  }

  #body(): boolean {
    if (this.#buffer.length === 0) return false;
    const part =
      this.#state === 'close' ? this.#buffer : this.#buffer.subarray(0, Math.max(this.#left, 0));
    this.#buffer = this.#buffer.subarray(part.length);
    this.#hash.update(part);
    this.bodyBytes += part.length;
    if (this.text.length < TEXT_BYTES_MAX) {
      this.text += part.toString('latin1', 0, TEXT_BYTES_MAX - this.text.length);
    }
    if (this.#state === 'close') return false;
    this.#left -= part.length;
    if (this.#left > 0) return false;
    this.#state = this.#state === 'length' ? 'done' : 'crlf';
    return true;
  }

  #line(): string | undefined {
    const end = this.#buffer.indexOf('\r\n');
    if (end === -1) {
      if (this.#buffer.length > HEAD_BYTES_MAX) this.#fail('line too long');
      return undefined;
    }
    const line = this.#buffer.toString('latin1', 0, end);
    this.#buffer = this.#buffer.subarray(end + 2);
    return line;
  }

  #fail(trouble: string): false {
    this.trouble = trouble;
    this.#state = 'bad';
    return false;
  }
}
