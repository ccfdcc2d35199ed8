// Collects the bytes of a head that came in more than one read. The usual head comes whole and
// never gets here. Grows by doubling, so a sender of single bytes costs linear time, and remembers
// how far it was searched and checked.

import { NO_BYTES } from '../transport.ts';
import { type HeadLimits, HeadScan, headEnd, type Refusal } from './syntax.ts';

const FIRST_BYTES = 1024;

export class HeadBuffer {
  #bytes = NO_BYTES;
  #length = 0;
  #searched = 0;
  #scan: HeadScan | undefined;

  get length(): number {
    return this.#length;
  }

  /** The collected bytes: a view that the next append may move. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  append(buffer: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, this.#bytes.length * 2, needed));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    buffer.copy(this.#bytes, this.#length, start, end);
    this.#length = needed;
  }

  /** Offset behind the head's empty line, or -1. Looks only at what it has not seen. */
  end(): number {
    const found = headEnd(this.#bytes, Math.max(0, this.#searched - 3), this.#length);
    this.#searched = this.#length;
    return found;
  }

  /** What is wrong already with a head that is not complete yet. */
  refuseRequest(limits: HeadLimits): Refusal | undefined {
    this.#scan ??= new HeadScan();
    return this.#scan.request(this.#text(), limits);
  }

  refuseResponse(headBytesMax: number): Refusal | undefined {
    this.#scan ??= new HeadScan();
    return this.#scan.response(this.#text(), headBytesMax);
  }

  #text(): string {
    return this.#bytes.toString('latin1', 0, this.#length);
  }

  /** Forgets the first bytes: empty lines in front of a head. */
  drop(bytes: number): void {
    this.#bytes.copyWithin(0, bytes, this.#length);
    this.#length -= bytes;
    this.#searched = Math.max(0, this.#searched - bytes);
    this.#scan?.reset();
  }

  clear(): void {
    this.#bytes = NO_BYTES;
    this.#length = 0;
    this.#searched = 0;
    this.#scan?.reset();
  }
}
