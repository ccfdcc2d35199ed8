// Pieces of bytes that wait, in order.

export class PieceQueue {
  bytes = 0;
  #pieces: Buffer[] = [];

  get length(): number {
    return this.#pieces.length;
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.bytes += piece.length;
  }

  shift(): Buffer | undefined {
    const piece = this.#pieces.shift();
    this.bytes -= piece?.length ?? 0;
    return piece;
  }

  /** All of them as one; undefined: there is none. */
  takeAll(): Buffer | undefined {
    const [first] = this.#pieces;
    const all = this.#pieces.length > 1 ? Buffer.concat(this.#pieces) : first;
    this.clear();
    return all;
  }

  clear(): void {
    this.#pieces = [];
    this.bytes = 0;
  }
}
