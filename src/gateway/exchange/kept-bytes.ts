// Copies of a request's bytes, kept while no server has them or while they may have to be sent again.
// Large pieces go into slabs that are used again and again: memory that is allocated and freed at the
// rate of uploads would keep the garbage collector busy. Whoever reads a piece copies it on (all
// writes of the transport do), so a slab is free as soon as the bytes are forgotten.

const SLAB_BYTES = 64 * 1024;
/** Up to here a piece gets memory of its own, from Node's pool for small buffers. */
const SMALL_BYTES_MAX = 2048;
/** Free slabs that a worker holds on to: 8 MiB. */
const FREE_MAX = 128;

type Piece = { readonly buffer: Buffer; end: number };

const free: Buffer[] = [];

export class KeptBytes {
  length = 0;
  readonly #pieces: Piece[] = [];

  add(buffer: Buffer, start: number, end: number): void {
    let from = start;
    while (from < end) {
      const piece = this.#room(end - from);
      const copied = buffer.copy(piece.buffer, piece.end, from, end);
      piece.end += copied;
      this.length += copied;
      from += copied;
    }
  }

  /** In order. A range is valid until `clear`. */
  each(send: (buffer: Buffer, end: number) => void): void {
    for (const { buffer, end } of this.#pieces) send(buffer, end);
  }

  clear(): void {
    if (this.length === 0) return;
    this.length = 0;
    for (const { buffer } of this.#pieces) {
      if (buffer.length === SLAB_BYTES && free.length < FREE_MAX) free.push(buffer);
    }
    this.#pieces.length = 0;
  }

  /**
   * The last piece when it has room, or another. A body that comes byte by byte makes few pieces: each
   * is as large as all before it, until they are slabs.
   */
  #room(bytes: number): Piece {
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.end < last.buffer.length) return last;
    const wanted = Math.max(bytes, this.length);
    const buffer =
      wanted <= SMALL_BYTES_MAX
        ? Buffer.allocUnsafe(wanted)
        : (free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
    const piece = { buffer, end: 0 };
    this.#pieces.push(piece);
    return piece;
  }
}
