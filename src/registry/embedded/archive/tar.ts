// The little of the tar format (POSIX ustar) that a snapshot needs: regular files with short names.

import { SluiceError } from '../../../base/errors.ts';

const BLOCK = 512;

export type TarFile = { readonly name: string; readonly bytes: number };

/** The block in front of a file's content. */
export function tarHead({ name, bytes }: TarFile, seconds: number): Buffer {
  const head = Buffer.alloc(BLOCK);
  const field = (text: string, at: number): void => {
    head.write(text, at, 'latin1');
  };
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
  field(name, 0);
  field('0000600\0', 100);
  field('0000000\0', 108);
  field('0000000\0', 116);
  // Beyond 8 GiB the size is written in binary.
  if (bytes < 8 ** 11) field(`${octal(bytes, 11)}\0`, 124);
  else {
    head.writeUInt8(0x80, 124);
    head.writeBigUInt64BE(BigInt(bytes), 128);
  }
  field(`${octal(seconds, 11)}\0`, 136);
  field('        ', 148);
  field('0', 156);
  field('ustar\x0000', 257);
  field(`${octal(sumOf(head), 6)}\0 `, 148);
  return head;
}

/** What follows a content of that size, up to a whole block. */
export function tarPadding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
}

export const TAR_END = Buffer.alloc(2 * BLOCK);

/**
 * Reads an archive piece by piece: `onContent` gets the bytes of each regular file in order.
 * @throws usage when it is none
 */
export class TarReader {
  readonly #onContent: (file: TarFile, piece: Buffer) => void;
  #kept = Buffer.alloc(0);
  #file: TarFile | undefined;
  #left = 0;
  #padding = 0;
  #ended = false;

  constructor(onContent: (file: TarFile, piece: Buffer) => void) {
    this.#onContent = onContent;
  }

  push(piece: Buffer): void {
    let data = this.#kept.length === 0 ? piece : Buffer.concat([this.#kept, piece]);
    while (data.length > 0 && !this.#ended) {
      if (this.#left > 0 && this.#file !== undefined) {
        const content = data.subarray(0, this.#left);
        this.#left -= content.length;
        data = data.subarray(content.length);
        this.#onContent(this.#file, content);
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, data.length);
        this.#padding -= skipped;
        data = data.subarray(skipped);
      } else if (data.length < BLOCK) {
        break;
      } else {
        this.#begin(data.subarray(0, BLOCK));
        data = data.subarray(BLOCK);
      }
    }
    this.#kept = Buffer.from(data);
  }

  /** Whether all that was announced has come. */
  get isComplete(): boolean {
    return this.#ended || (this.#left === 0 && this.#kept.length === 0);
  }

  #begin(head: Buffer): void {
    if (head.every((byte) => byte === 0)) {
      this.#ended = true;
      return;
    }
    const declared = Number.parseInt(head.toString('latin1', 148, 154), 8);
    if (declared !== sumOf(head)) {
      throw new SluiceError('usage', 'the file is damaged, or no snapshot (a tar head is wrong)');
    }
    const name = head.toString('latin1', 0, 100).replace(/\0.*$/s, '');
    const bytes =
      head[124] === 0x80
        ? Number(head.readBigUInt64BE(128))
        : Number.parseInt(head.toString('latin1', 124, 136), 8) || 0;
    this.#left = bytes;
    this.#padding = tarPadding(bytes).length;
    this.#file = { name, bytes };
    if (bytes === 0) this.#onContent(this.#file, Buffer.alloc(0));
  }
}

/** Of all bytes of a head, with blanks in the place of the sum itself. */
function sumOf(head: Buffer): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (head[at] ?? 0);
  return sum;
}
