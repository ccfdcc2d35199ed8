// Finds the heads of responses in the reads of one server connection: interim ones may stand in front of
// the final one, and each may come in pieces.

import { NO_BYTES } from '../../transport.ts';
import { HeadBuffer } from '../head-buffer.ts';
import {
  type Http1Response,
  headEnd,
  parseResponseHead,
  plainHeads,
  type Refusal,
} from '../syntax.ts';

type Found = Http1Response | Refusal | undefined;

export class ResponseHeads {
  /** Where the bytes behind the head are that was found last; valid as long as its input. */
  buffer = NO_BYTES;
  start = 0;
  end = 0;
  readonly #partial = new HeadBuffer();

  /** A part of a head is here. */
  get isPartial(): boolean {
    return this.#partial.length > 0;
  }

  /** The first head with this read; undefined when it is not whole yet. */
  read(
    data: Buffer,
    start: number,
    end: number,
    requestMethod: string,
    headBytesMax: number,
  ): Found {
    if (!this.isPartial) {
      this.buffer = data;
      this.start = start;
      this.end = end;
      return this.next(requestMethod, headBytesMax);
    }
    this.#partial.append(data, start, end);
    const stop = this.#partial.end();
    if (stop === -1) return this.#partial.refuseResponse(headBytesMax);
    this.buffer = this.#partial.bytes;
    this.start = 0;
    this.end = this.#partial.length;
    this.#partial.clear();
    return this.#parse(stop, requestMethod, headBytesMax);
  }

  /** The next one in the same read. */
  next(requestMethod: string, headBytesMax: number): Found {
    const { buffer, start, end } = this;
    if (start === end) return undefined;
    const plain = plainHeads?.response(buffer, start, end, requestMethod, headBytesMax);
    if (plainHeads !== undefined && plain !== undefined) {
      this.start = plainHeads.stop;
      return plain;
    }
    const stop = headEnd(buffer, start, end);
    if (stop !== -1) return this.#parse(stop, requestMethod, headBytesMax);
    this.#partial.append(buffer, start, end);
    return this.#partial.refuseResponse(headBytesMax);
  }

  #parse(stop: number, requestMethod: string, headBytesMax: number): Found {
    const text = this.buffer.toString('latin1', this.start, stop);
    this.start = stop;
    return parseResponseHead(text, requestMethod, headBytesMax);
  }

  /** Nothing is needed any more of what was read. */
  release(): void {
    this.buffer = NO_BYTES;
  }
}
