// Finds the head of a request in the reads of a client connection: skips the empty lines in front of it,
// within a limit, and keeps a head that comes in pieces.

import { NO_BYTES } from '../../transport.ts';
import { HeadBuffer } from '../head-buffer.ts';
import {
  EMPTY_LINES_MAX,
  type HeadLimits,
  headEnd,
  type Refusal,
  skipEmptyLines,
} from '../syntax.ts';

const CR = 0x0d;

export class HeadReader {
  /** Where the bytes behind the head are that `read` has found; valid as long as its input. */
  buffer = NO_BYTES;
  start = 0;
  end = 0;
  readonly #partial = new HeadBuffer();
  /** Empty lines in front of the next request that were skipped, over all reads. */
  #emptyLines = 0;

  /** A part of a head is here. */
  get isPartial(): boolean {
    return this.#partial.length > 0;
  }

  /** The text of the next head, or undefined when it is not whole yet. */
  read(data: Buffer, from: number, to: number): string | undefined {
    this.buffer = data;
    this.start = from;
    this.end = to;
    let stop: number;
    if (this.#partial.length === 0) {
      this.start = this.#skipEmptyLines(data, from, to);
      if (this.start === to) return undefined; // Only empty lines: no head has begun.
      stop = headEnd(data, this.start, to);
      if (stop === -1) {
        this.#partial.append(data, this.start, to);
        return undefined;
      }
    } else {
      this.#partial.append(data, from, to);
      if (this.#partial.bytes[0] === CR) {
        this.#partial.drop(this.#skipEmptyLines(this.#partial.bytes, 0, this.#partial.length));
      }
      stop = this.#partial.end();
      if (stop === -1) return undefined;
      this.buffer = this.#partial.bytes;
      this.start = 0;
      this.end = this.#partial.length;
      this.#partial.clear();
    }
    const text = this.buffer.toString('latin1', this.start, stop);
    this.start = stop;
    this.#emptyLines = 0;
    return text;
  }

  /** A head that is whole and was read elsewhere: what stands behind it in this read. */
  skipTo(data: Buffer, stop: number, end: number): void {
    this.buffer = data;
    this.start = stop;
    this.end = end;
    this.#emptyLines = 0;
  }

  /** What is wrong already with the part that is here. */
  refusal(limits: HeadLimits): Refusal | undefined {
    return this.#partial.refuseRequest(limits);
  }

  clear(): void {
    this.#partial.clear();
  }

  /** Nothing is needed any more of what was read. */
  release(): void {
    this.buffer = NO_BYTES;
  }

  /** The limit holds over all reads, so that no split of the bytes gets round it (rules 3, 70). */
  #skipEmptyLines(buffer: Buffer, start: number, end: number): number {
    const stop = skipEmptyLines(buffer, start, end, EMPTY_LINES_MAX - this.#emptyLines);
    this.#emptyLines += (stop - start) / 2;
    return stop;
  }
}
