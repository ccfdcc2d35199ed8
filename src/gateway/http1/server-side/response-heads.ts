// Finds the heads of responses in the reads of one server connection: interim ones may stand in front of
// the final one, and each may come in pieces.

import { NO_BYTES } from '../../transport.ts';
import { HeadBuffer } from '../head-buffer.ts';
import { headEnd, type Refusal } from '../syntax.ts';

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

  /** The text of the first head with this read, or undefined when it is not whole yet. */
  read(data: Buffer, start: number, end: number): string | undefined {
    if (this.#partial.length === 0) {
      this.buffer = data;
      this.start = start;
      this.end = end;
      return this.next();
    }
    this.#partial.append(data, start, end);
    const stop = this.#partial.end();
    if (stop === -1) return undefined;
    this.buffer = this.#partial.bytes;
    this.start = 0;
    this.end = this.#partial.length;
    this.#partial.clear();
    return this.#take(stop);
  }

  /** The next one in the same read. */
  next(): string | undefined {
    const stop = headEnd(this.buffer, this.start, this.end);
    if (stop !== -1) return this.#take(stop);
    if (this.start < this.end) this.#partial.append(this.buffer, this.start, this.end);
    return undefined;
  }

  #take(stop: number): string {
    const text = this.buffer.toString('latin1', this.start, stop);
    this.start = stop;
    return text;
  }

  /** Nothing is needed any more of what was read. */
  release(): void {
    this.buffer = NO_BYTES;
  }

  /** What is wrong already with the part that is here. */
  refusal(headBytesMax: number): Refusal | undefined {
    return this.isPartial ? this.#partial.refuseResponse(headBytesMax) : undefined;
  }
}
