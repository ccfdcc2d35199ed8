// What a request printed: its beginning, as much as is wanted, up to the trailer. On stderr other words
// may follow it, or come between: those of ssh itself.

/** Longer than a trailer. */
const TAIL_BYTES = 128;

export class Output {
  readonly #trailer: RegExp;
  readonly #max: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  /** The last bytes before those that come next. */
  #tail = Buffer.alloc(0);
  #total = 0;
  #end: { readonly word: string; readonly at: number } | undefined;

  constructor(mark: string, max: number) {
    this.#trailer = new RegExp(`\\x1e${mark} (\\w+)\\x1e`);
    this.#max = max;
  }

  push(chunk: Buffer): void {
    if (this.#end !== undefined) return;
    const room = this.#max - this.#headBytes;
    if (room > 0) {
      const part = chunk.subarray(0, room);
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    const near = Buffer.concat([this.#tail, chunk]);
    const found = this.#trailer.exec(near.toString('latin1'));
    if (found !== null) {
      this.#end = { word: found[1] ?? '', at: this.#total - this.#tail.length + found.index };
    }
    this.#total += chunk.length;
    this.#tail = Buffer.from(near.subarray(-TAIL_BYTES));
  }

  /** What stands in the trailer; undefined while there is none. */
  get word(): string | undefined {
    return this.#end?.word;
  }

  /** Before the trailer. */
  get bytes(): Buffer {
    return Buffer.concat(this.#head).subarray(0, this.#end?.at ?? this.#headBytes);
  }
}
