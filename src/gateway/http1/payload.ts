// The payload among the bytes of one read. Chunk heads between its pieces are closed up, so that
// it leaves as one piece.

import type { BodySink } from './syntax.ts';

export class Payload implements BodySink {
  start = 0;
  end = 0;

  /** Nothing yet, in a read whose body bytes begin at `offset`. */
  reset(offset: number): void {
    this.start = offset;
    this.end = offset;
  }

  take(buffer: Buffer, from: number, to: number): void {
    if (this.end === this.start) {
      this.start = from;
      this.end = to;
    } else {
      if (from !== this.end) buffer.copyWithin(this.end, from, to);
      this.end += to - from;
    }
  }
}
