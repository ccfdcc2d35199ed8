// Where a line comes to be: in the block that is written, piece by piece, without a string of the whole line. A call
// of the runtime's costs as much as some thirty characters in a loop, so short pieces are copied here, and what is
// always the same in words of four bytes. Bytes are latin1: one per character.

import type { LineOutput } from './line-output.ts';

/** A longer piece is worth a call. */
const LOOP_MAX = 16;
/** More than any number that is written digit by digit. */
const DIGITS_MAX = 12;
const WORD = 4;
const ZERO = 0x30;
const LETTER_A = 0x61;
const NEWLINE = 0x0a;

/** A piece that is the same in many lines: words of four bytes, of which the last is filled up. */
export type Ready = { readonly length: number; readonly words: readonly number[] };

/** `text` in latin1. */
export function readyOf(text: string): Ready {
  const bytes = Buffer.alloc(Math.ceil(text.length / WORD) * WORD, text, 'latin1');
  const words: number[] = [];
  for (let at = 0; at < bytes.length; at += WORD) words.push(bytes.readInt32LE(at));
  return { length: text.length, words };
}

export class LineBuffer {
  readonly #output: Pick<LineOutput, 'block' | 'write'>;
  #block: Buffer;
  #view: DataView;
  /** Where the line under way begins, and where it goes on. */
  #start = 0;
  #at = 0;
  #lines = 0;

  constructor(output: Pick<LineOutput, 'block' | 'write'>) {
    this.#output = output;
    this.#block = output.block(0);
    this.#view = viewOf(this.#block);
  }

  ready({ length, words }: Ready): void {
    if (this.#at + length + WORD > this.#block.length) this.#makeRoom(length + WORD);
    const view = this.#view;
    let at = this.#at;
    // What a word has too much is written over by the next piece.
    for (const word of words) {
      view.setInt32(at, word, true);
      at += WORD;
    }
    this.#at += length;
  }

  /** A piece that is to stand as it is. */
  text(text: string): void {
    const { length } = text;
    if (this.#at + length > this.#block.length) this.#makeRoom(length);
    if (length > LOOP_MAX) this.#block.write(text, this.#at, 'latin1');
    else {
      const block = this.#block;
      const at = this.#at;
      for (let index = 0; index < length; index += 1) block[at + index] = text.charCodeAt(index);
    }
    this.#at += length;
  }

  /**
   * A piece in which a quote, a backslash and what is no printable ASCII stand as `escapes` writes them. `text` is
   * latin1, as heads are.
   */
  escaped(text: string, escapes: (text: string) => string): void {
    const before = this.length;
    this.text(text);
    // Behind the copy: it may have been put into another block.
    const from = this.#start + before;
    if (this.#isSafe(from)) return;
    this.#at = from;
    this.text(escapes(text));
  }

  /** A whole number from 0 on; `width`: with zeros before it, up to 8 digits. */
  digits(value: number, width = 1): void {
    if (!(value >= 0 && value <= 99_999_999)) return this.text(String(value));
    if (this.#at + DIGITS_MAX > this.#block.length) this.#makeRoom(DIGITS_MAX);
    let rest = value | 0;
    const count = Math.max(width, decimalsOf(rest));
    const block = this.#block;
    for (let at = this.#at + count - 1; at >= this.#at; at -= 1) {
      const next = (rest / 10) | 0;
      block[at] = ZERO + rest - next * 10;
      rest = next;
    }
    this.#at += count;
  }

  /** The same in hexadecimal. */
  hexDigits(value: number, width: number): void {
    if (value > 0xffff_ffff || width > 8) return this.text(value.toString(16).padStart(width, '0'));
    if (this.#at + DIGITS_MAX > this.#block.length) this.#makeRoom(DIGITS_MAX);
    const count = Math.max(width, (35 - Math.clz32(value)) >> 2);
    const block = this.#block;
    let rest = value;
    for (let at = this.#at + count - 1; at >= this.#at; at -= 1) {
      const next = rest & 15;
      block[at] = next < 10 ? ZERO + next : LETTER_A - 10 + next;
      rest >>>= 4;
    }
    this.#at += count;
  }

  /** How much of the line there is. */
  get length(): number {
    return this.#at - this.#start;
  }

  /** What was put into the line behind its first `from` bytes, as one flat string. */
  since(from: number): string {
    return this.#block.toString('latin1', this.#start + from, this.#at);
  }

  /** Whatever an earlier line has left unfinished is no part of this one. */
  begin(): void {
    this.#at = this.#start;
  }

  end(): void {
    if (this.#at === this.#block.length) this.#makeRoom(1);
    this.#block[this.#at] = NEWLINE;
    this.#at += 1;
    this.#start = this.#at;
    this.#lines += 1;
  }

  /** Hands over the whole lines. */
  flush(): void {
    if (this.#lines > 0) this.#hand(this.#at - this.#start);
  }

  /**
   * What is written from `from` on has none of the bytes that are escaped. Four at a time: each term has a byte's
   * highest bit set where one of them is 0x7f and above, less than 0x20, a quote, or a backslash.
   */
  #isSafe(from: number): boolean {
    const view = this.#view;
    let found = 0;
    let at = from;
    for (; at + WORD <= this.#at; at += WORD) {
      const word = view.getInt32(at, true);
      const quotes = word ^ 0x22222222;
      const backslashes = word ^ 0x5c5c5c5c;
      found |= word | (word + 0x01010101) | ((word - 0x20202020) & ~word);
      found |= (quotes - 0x01010101) & ~quotes;
      found |= (backslashes - 0x01010101) & ~backslashes;
    }
    for (; at < this.#at; at += 1) {
      const code = view.getUint8(at);
      if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
    }
    return (found & 0x80808080) === 0;
  }

  /** The line under way goes on in another block, which has room for it and so much more. */
  #makeRoom(bytes: number): void {
    const { length } = this;
    // A very long line, which is copied each time, has room to double.
    const wanted = length + Math.max(bytes, this.#start === 0 ? this.#block.length : 0);
    this.#hand(wanted);
  }

  #hand(wanted: number): void {
    const [block, start, at, lines] = [this.#block, this.#start, this.#at, this.#lines];
    this.#block = this.#output.block(wanted);
    this.#view = viewOf(this.#block);
    block.copy(this.#block, 0, start, at);
    this.#start = 0;
    this.#at = at - start;
    this.#lines = 0;
    if (lines > 0) this.#output.write(block, start, lines);
  }
}

/** Digits of a number of up to 8; powers and logarithms are calls. */
function decimalsOf(value: number): number {
  if (value < 1000) return value < 10 ? 1 : value < 100 ? 2 : 3;
  if (value < 100_000) return value < 10_000 ? 4 : 5;
  return value < 1_000_000 ? 6 : value < 10_000_000 ? 7 : 8;
}

function viewOf(block: Buffer): DataView {
  return new DataView(block.buffer, block.byteOffset, block.length);
}
