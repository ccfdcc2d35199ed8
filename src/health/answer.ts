// Reads a server's whole answer to a probe: final status, fields, and the beginning of the body.
// Pure, text (latin1) in, so that every split and every hostile answer can be tested as a table. It
// refuses the framings that the gateway refuses too: a server whose answers cannot be relayed is
// not alive. Interim answers (100, 102, 103) are skipped; everything is bounded.

import { readStatusLine } from './status-line.ts';

/** Bytes of a line: status, field or chunk size. */
const LINE_BYTES_MAX = 8192;
/** All heads together, interim ones and trailers included. */
const HEAD_BYTES_MAX = 65_536;
/** So much of a body is read; who sent that much is well. */
export const BODY_BYTES_MAX = 65_536;
/** So much of the body is kept, for messages. */
const BODY_KEPT = 200;

type Stage = 'status' | 'field' | 'size' | 'chunk' | 'chunk-end' | 'trailer' | 'rest' | 'over';

export class AnswerReader {
  /** Of the final answer; 0 before its head is whole. */
  status = 0;
  /** By lower-case name; of equal names the values are joined. */
  readonly fields = new Map<string, string>();
  /** The beginning of the body, without chunk sizes. */
  body = '';
  /** Why it can be no answer; '' while it can. */
  broken = '';
  #stage: Stage = 'status';
  #text = '';
  #headBytes = 0;
  #bodyBytes = 0;
  #line = 0;
  #isOld = false;
  /** Bytes until the end of the body or chunk; -1 = to the end of the connection. */
  #left = 0;

  get isOver(): boolean {
    return this.#stage === 'over';
  }

  push(text: string): void {
    this.#text += text;
    while (this.#step()) {
      // One line or one piece of the body.
    }
  }

  /** The server ended the connection. */
  end(): void {
    if (this.#stage === 'rest' && this.#left < 0) this.#stage = 'over';
    if (this.#stage === 'over') return;
    this.#break(
      this.status > 0
        ? 'closed in the middle of the body'
        : this.#line > 0
          ? 'closed in the middle of the head'
          : 'closed before a status line',
    );
  }

  /** False when more bytes are needed, or none any more. */
  #step(): boolean {
    if (this.#stage === 'over') return false;
    if (this.#stage === 'chunk' || this.#stage === 'rest') return this.#takeBody();
    const end = this.#text.indexOf('\n');
    if (this.#stage === 'status') {
      const read = readStatusLine(this.#text);
      if (read.kind === 'more') return false;
      if (read.kind === 'malformed')
        return this.#break(`no HTTP status line but ${quote(this.#text)}`);
      this.#line = read.status;
      this.#isOld = this.#text.startsWith('HTTP/1.0');
      this.#stage = 'field';
    } else if (end < 0) {
      return this.#text.length > LINE_BYTES_MAX
        ? this.#break('broken answer: a line without an end')
        : false;
    } else {
      this.#takeLine(this.#text.slice(0, end).replace(/\r$/, ''));
    }
    this.#headBytes += end + 1;
    this.#text = this.#text.slice(end + 1);
    if (this.#headBytes > HEAD_BYTES_MAX)
      this.#break(`broken answer: a head over ${HEAD_BYTES_MAX} bytes`);
    return !this.isOver;
  }

  #takeLine(line: string): void {
    if (this.#stage === 'size') {
      const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) this.#break(`broken answer: chunk size ${quote(line)}`);
      else {
        this.#left = Number.parseInt(size, 16);
        this.#stage = this.#left === 0 ? 'trailer' : 'chunk';
      }
    } else if (this.#stage === 'chunk-end') {
      if (line !== '') this.#break('broken answer: a chunk longer than its size');
      else this.#stage = 'size';
    } else if (this.#stage === 'trailer') {
      if (line === '') this.#stage = 'over';
    } else if (line === '') {
      this.#endHead();
    } else {
      const [, name, value = ''] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
      if (name === undefined) this.#break(`broken answer: field line ${quote(line)}`);
      else {
        const before = this.fields.get(name.toLowerCase());
        this.fields.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
      }
    }
  }

  #endHead(): void {
    if (this.#line < 200 && this.#line !== 101) {
      this.fields.clear();
      this.#stage = 'status';
      return;
    }
    this.status = this.#line;
    const [coding, length] = [
      this.fields.get('transfer-encoding'),
      this.fields.get('content-length'),
    ];
    if (this.status < 200 || this.status === 204 || this.status === 304) this.#stage = 'over';
    else if (coding !== undefined) {
      if (this.#isOld) this.#break('broken answer: transfer-encoding in HTTP/1.0');
      else if (length !== undefined)
        this.#break('broken answer: content-length and transfer-encoding');
      else if (coding.toLowerCase() !== 'chunked')
        this.#break('broken answer: transfer-encoding is not exactly chunked');
      else this.#stage = 'size';
    } else if (length === undefined) {
      this.#left = -1;
      this.#stage = 'rest';
    } else {
      const [first = '', ...others] = length.split(/[ \t]*,[ \t]*/);
      if (!/^\d{1,15}$/.test(first) || others.some((other) => other !== first)) {
        this.#break('broken answer: content-length is not one number');
      } else {
        this.#left = Number(first);
        this.#stage = this.#left === 0 ? 'over' : 'rest';
      }
    }
  }

  #takeBody(): boolean {
    const taken = this.#left < 0 ? this.#text : this.#text.slice(0, this.#left);
    if (taken === '') return false;
    this.#text = this.#text.slice(taken.length);
    this.#bodyBytes += taken.length;
    this.body += taken.slice(0, BODY_KEPT - this.body.length);
    if (this.#left > 0) this.#left -= taken.length;
    if (this.#bodyBytes >= BODY_BYTES_MAX) this.#stage = 'over';
    else if (this.#left === 0) this.#stage = this.#stage === 'chunk' ? 'chunk-end' : 'over';
    return true;
  }

  #break(why: string): false {
    this.broken = why;
    this.#stage = 'over';
    return false;
  }
}

/** What a server sent instead, short and printable. */
export function quote(text: string): string {
  const shown = text.slice(0, 24).replace(/[^\x20-\x7e]/g, '.');
  return `"${shown}${text.length > 24 ? '…' : ''}"`;
}
