// What a request printed: its beginning, as much as is wanted, and the trailer at its end.

/** Longer than a trailer. */
const TAIL_BYTES = 128;

export class Output {
  readonly #max: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  /** The last bytes of all. */
  #tail = Buffer.alloc(0);
  #total = 0;

  constructor(max: number) {
    this.#max = max;
  }

  push(chunk: Buffer): void {
    this.#total += chunk.length;
    const room = this.#max + TAIL_BYTES - this.#headBytes;
    if (room > 0) {
      const part = chunk.subarray(0, room);
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    const tail = chunk.length >= TAIL_BYTES ? chunk : Buffer.concat([this.#tail, chunk]);
    this.#tail = Buffer.from(tail.subarray(-TAIL_BYTES));
  }

  /** The last of it. */
  get text(): string {
    return this.#tail.toString('latin1');
  }

  endsWith(mark: string): boolean {
    return this.trailer(mark) !== undefined;
  }

  /** What stands in the trailer behind the mark; undefined while there is none. */
  trailer(mark: string): string | undefined {
    return this.#trailer(mark)?.[1];
  }

  /** Without the trailer. */
  bytes(mark: string): Buffer {
    const [whole = ''] = this.#trailer(mark) ?? [];
    const length = Math.min(this.#total - whole.length, this.#max);
    return Buffer.concat(this.#head).subarray(0, length);
  }

  #trailer(mark: string): RegExpExecArray | null {
    return new RegExp(`\\x1e${mark} (\\w+)\\x1e$`).exec(this.text);
  }
}
