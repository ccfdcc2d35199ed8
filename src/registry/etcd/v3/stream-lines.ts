// A stream of JSON documents, a line each, out of pieces that end anywhere.

export class StreamLines {
  readonly #bytesMax: number;
  readonly #onLine: (line: string) => void;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number, onLine: (line: string) => void) {
    this.#bytesMax = bytesMax;
    this.#onLine = onLine;
  }

  /** @throws Error for a line that is too long, and what onLine throws. */
  push(piece: Buffer): void {
    let from = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
      this.#pieces.push(piece.subarray(from, end));
      const line = Buffer.concat(this.#pieces).toString().trim();
      this.#pieces = [];
      this.#bytes = 0;
      from = end + 1;
      if (line !== '') this.#onLine(line);
    }
    const rest = piece.subarray(from);
    if (rest.length === 0) return;
    this.#bytes += rest.length;
    if (this.#bytes > this.#bytesMax) throw new Error(`line over ${this.#bytesMax} bytes`);
    // A copy: the piece may be part of a larger buffer that would be kept.
    this.#pieces.push(Buffer.from(rest));
  }
}
