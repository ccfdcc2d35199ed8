// Follows the frames of one direction of a WebSocket by their lengths: where one ends, and where a Close
// frame begins. Never what is in them. **Source:** RFC 6455 5.2 and 5.5.

const CLOSE = 0x8;

/** `1001: going away`, as a server sends it. */
export const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9]);

/** The same as a client sends it: under a mask, four bytes that nobody can foresee. */
export function maskedGoingAway(mask: Uint8Array): Buffer {
  const [a = 0, b = 0, c = 0, d = 0] = mask;
  return Buffer.from([0x88, 0x82, a, b, c, d, 0x03 ^ a, 0xe9 ^ b]);
}

export class FrameScan {
  /** A whole Close frame has gone by. Nothing is followed behind it. */
  isClosed = false;
  /** Bytes of the frame's payload that are still to come. */
  #payloadBytes = 0;
  /** Bytes of the frame's head that were read, and what they have said so far. */
  #headBytes = 0;
  #isClose = false;
  #maskBytes = 0;
  #lengthBytes = 0;
  #length = 0;

  /** Between two frames: one of our own may stand here. */
  get isBetween(): boolean {
    return this.#headBytes === 0 && this.#payloadBytes === 0;
  }

  read(buffer: Buffer, start: number, end: number): void {
    this.#read(buffer, start, end, false);
  }

  /** Reads to the next place between two frames; answers how far that is, or `end`. */
  readFrame(buffer: Buffer, start: number, end: number): number {
    return this.#read(buffer, start, end, true);
  }

  /** Reads on until a Close frame begins; answers where that is, or `end`. */
  readToClose(buffer: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.isBetween && ((buffer[at] ?? 0) & 0x0f) === CLOSE) return at;
      at = this.#read(buffer, at, end, true);
    }
    return end;
  }

  #read(buffer: Buffer, start: number, end: number, isOneFrame: boolean): number {
    let at = start;
    while (at < end && !this.isClosed) {
      if (this.#payloadBytes > 0) {
        const skipped = Math.min(this.#payloadBytes, end - at);
        this.#payloadBytes -= skipped;
        at += skipped;
      } else {
        this.#readHead(buffer[at] ?? 0);
        at += 1;
      }
      if (isOneFrame && this.isBetween) return at;
    }
    return end;
  }

  #readHead(byte: number): void {
    const index = this.#headBytes;
    this.#headBytes += 1;
    if (index === 0) {
      this.#isClose = (byte & 0x0f) === CLOSE;
      return;
    }
    if (index === 1) {
      const length = byte & 0x7f;
      this.#maskBytes = byte & 0x80 ? 4 : 0;
      this.#lengthBytes = length === 127 ? 8 : length === 126 ? 2 : 0;
      this.#length = this.#lengthBytes === 0 ? length : 0;
    } else if (index < 2 + this.#lengthBytes) this.#length = this.#length * 256 + byte;
    if (this.#headBytes < 2 + this.#lengthBytes + this.#maskBytes) return;
    if (this.#isClose) this.isClosed = true;
    this.#payloadBytes = this.#length;
    this.#headBytes = 0;
  }
}
