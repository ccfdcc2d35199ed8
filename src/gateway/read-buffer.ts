// The one buffer that all sockets of this process read into: what comes is used, or copied, before the next read. It is
// in memory that the scanner of heads sees too (http1/syntax/plain), so that a head is judged where it lies. Where this
// Node gives no such memory, it is a buffer as any other.

/** A head and a body of 64 kB come in one read: twice the reads and writes cost a third more. */
export const READ_BYTES = 128 * 1024;

const PAGE_BYTES = 64 * 1024;
/** The first page is the scanner's own. */
const READ_AT = PAGE_BYTES;
/** The scanner looks at 16 bytes at once, also a little behind the last ones. */
const MARGIN = 64;

/** Room for each of two texts that a head is put together with. */
export const SAID_BYTES_MAX = 512;

/** By places, which are offsets in the memory. */
export const PLACES = {
  read: READ_AT,
  /** A head that came into another buffer. */
  copied: READ_AT + READ_BYTES + MARGIN,
  copiedBytesMax: 16 * 1024,
  /** What is made of a head: up to one read, and what is put behind it. */
  packed: READ_AT + READ_BYTES + 16 * 1024 + 2 * MARGIN,
  before: READ_AT + 2 * READ_BYTES + 24 * 1024,
  after: READ_AT + 2 * READ_BYTES + 25 * 1024,
  end: READ_AT + 2 * READ_BYTES + 26 * 1024,
} as const;

/** Undefined: this Node has none. */
export const scanMemory = newMemory();

/** All of the memory; the buffer is at PLACES.read. */
export const readMemory: Buffer =
  scanMemory === undefined ? Buffer.allocUnsafeSlow(PLACES.copied) : Buffer.from(scanMemory.buffer);

export const readBuffer: Buffer = readMemory.subarray(PLACES.read, PLACES.read + READ_BYTES);

function newMemory(): WebAssembly.Memory | undefined {
  const pages = Math.ceil(PLACES.end / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch {
    // Without a compiler (--jitless), or with little address space: it takes some GB of that, not of memory.
    return undefined;
  }
}
