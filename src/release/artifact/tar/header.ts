// The block of 512 bytes in front of each entry of a tar archive: read and written.
// **Source:** POSIX.1-1988 ustar; GNU's base-256 numbers and long names.

export const BLOCK = 512;

export type TarHeader = {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly target: string;
};

/** Null when it is none: its own checksum does not match. */
export function readHeader(block: Buffer): TarHeader | null {
  if (numberAt(block, 148, 8) !== checksumOf(block)) return null;
  const size = numberAt(block, 124, 12);
  if (!Number.isSafeInteger(size) || size < 0) return null;
  // The prefix is of ustar alone: GNU keeps other things there.
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? textAt(block, 345, 155) : '';
  const name = textAt(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: block.toString('latin1', 156, 157),
    mode: numberAt(block, 100, 8),
    size,
    target: textAt(block, 157, 100),
  };
}

/** The blocks of an entry: with GNU's long names, which every tar of a host knows, pax not. */
export function writeHeader(header: TarHeader, timeSeconds: number): Buffer {
  const { name, target } = header;
  const blocks: Buffer[] = [];
  for (const [type, text] of [
    ['L', name],
    ['K', target],
  ] as const) {
    const long = Buffer.from(`${text}\0`);
    if (long.length <= 100) continue;
    const own = { name: '././@LongLink', type, mode: 0, size: long.length, target: '' };
    blocks.push(headerBlock(own, 0), long, padding(long.length));
  }
  blocks.push(headerBlock(header, timeSeconds));
  return Buffer.concat(blocks);
}

/** What fills the last block of a body. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

export function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

function headerBlock({ name, type, mode, size, target }: TarHeader, timeSeconds: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  if (size < 8 ** 11) block.write(octal(size, 12), 124);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write(octal(timeSeconds, 12), 136);
  block.write(type, 156, 'latin1');
  Buffer.from(target).copy(block, 157, 0, 100);
  block.write('ustar  \0', 257, 'latin1');
  block.write(`${octal(checksumOf(block), 7)}\0 `, 148, 'latin1');
  return block;
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, '0');
}

/** The sum of all bytes, those of the sum itself taken for blanks. */
function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 0 : (block[at] ?? 0);
  return sum;
}

function textAt(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString();
}

function numberAt(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) {
    // GNU: the rest is a number of eight bits a digit; 0xff begins a negative one.
    if (first === 0xff) return -1;
    const bytes = block.subarray(at + 1, at + length);
    return bytes.reduce((sum, byte) => sum * 256 + byte, first & 0x7f);
  }
  const text = block.toString('latin1', at, at + length);
  const digits = /^ *([0-7]*)(?:[\0 ].*)?$/s.exec(text)?.[1];
  return digits === undefined ? Number.NaN : Number.parseInt(digits || '0', 8);
}
