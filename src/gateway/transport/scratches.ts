// Where a head and a body are put together, so that they leave in one system call.

import { READ_BYTES } from '../read-buffer.ts';

/** Up to here a body goes out as part of the head's string: cheaper than filling a scratch buffer. */
export const TEXT_BYTES_MAX = 1024;
/** One read and a head fit the largest. A write that must wait holds on to little more than it needs. */
const SIZES = [24 * 1024, 80 * 1024, READ_BYTES + 16 * 1024];

export class Scratches {
  readonly #buffers = SIZES.map((bytes) => Buffer.allocUnsafeSlow(bytes));
  /** Where the last piece is; past the last when it has a buffer of its own. */
  #last = 0;

  /** Texts are latin1. To be used before the next call, unless it is given away. */
  fill(before: string, buffer: Buffer, start: number, end: number, after: string): Buffer {
    const bodyBytes = end - start;
    const total = before.length + bodyBytes + after.length;
    let size = 0;
    while (total > (SIZES[size] ?? Number.POSITIVE_INFINITY)) size += 1;
    this.#last = size;
    const piece = this.#buffers[size] ?? Buffer.allocUnsafeSlow(total);
    piece.write(before, 0, 'latin1');
    buffer.copy(piece, before.length, start, end);
    if (after !== '') piece.write(after, before.length + bodyBytes, 'latin1');
    return piece.subarray(0, total);
  }

  /** The last piece was taken in part or not at all: the rest is still there, and must stay as it is. */
  giveLast(): void {
    const given = this.#buffers[this.#last];
    if (given !== undefined) this.#buffers[this.#last] = Buffer.allocUnsafeSlow(given.length);
  }
}
