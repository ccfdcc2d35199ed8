// The scanner of scan.c, as far as it can be had here: it needs WebAssembly with SIMD.

import { PLACES, readBuffer, SAID_BYTES_MAX, scanMemory } from '../../../read-buffer.ts';
import { SCAN_CODE } from './scan-code.ts';

/** Places in `out`, in the order of scan.c. */
export const OUT = {
  ...{ methodOrStatus: 0, firstAt: 1, firstEnd: 2, minor: 3, count: 4, flags: 5, length: 6 },
  ...{ textTo: 7, fieldsAt: 8, fieldsEnd: 9, readyAt: 10, hostFrom: 11, hostTo: 12 },
  ...{ forwardedFor: 13, forwardedProto: 15, forwardedHost: 17, requestId: 19, keepAlive: 21 },
} as const;
const OUT_LENGTH = 23;

/** Bits of OUT.flags. */
export const KEEP_ALIVE = 1;
export const CLOSE = 2;
export const CHUNKED = 4;
export const HAS_LENGTH = 8;

/** How many values of Host the scanner knows at once; what it adds where a place stands for another one now. */
export const HOSTS = 256;

/** As `toString('latin1', …)`, which takes a third longer; Node has it, its types have not. */
export type Latin1Buffer = Buffer & { latin1Slice(start: number, end?: number): string };

/** What the gateway says of a client: lines in front of the value of Host and behind it. `before` is '' for nothing. */
export type Said = { readonly before: string; readonly after: string };

export type Scanner = {
  /** What the last scan has found. */
  readonly out: Int32Array;
  readonly memory: Latin1Buffer;
  /** The place behind a whole head between two places; 0: it is not whole, or not plain. */
  request(from: number, to: number, takesRequestId: boolean, said: Said): number;
  response(from: number, to: number): number;
  /** A place of HOSTS for the value between two places, and HOSTS if it is new there; -1: none. */
  host(from: number, to: number): number;
};

type Exports = Readonly<Record<string, (...values: number[]) => number>>;

function openScanner(): Scanner | undefined {
  const exports = scanMemory && instantiate(scanMemory);
  if (scanMemory === undefined || exports === undefined) return undefined;
  const { out, request, response, host } = exports;
  if (!out || !request || !response || !host) return undefined;
  const memory = Buffer.from(scanMemory.buffer) as Latin1Buffer;
  const before = new Written(memory, PLACES.before);
  const after = new Written(memory, PLACES.after);
  return {
    ...{ out: new Int32Array(scanMemory.buffer, out(), OUT_LENGTH), memory, host },
    request: (from, to, takesId, said) => {
      const afterBytes = after.write(said.after);
      const beforeBytes = afterBytes < 0 ? 0 : Math.max(0, before.write(said.before));
      const { packed, before: at, after: behind } = PLACES;
      return request(from, to, packed, takesId ? 1 : 0, at, beforeBytes, behind, afterBytes);
    },
    response: (from, to) => response(from, to, PLACES.packed),
  };
}

function instantiate(memory: object): Exports | undefined {
  try {
    const code = new WebAssembly.Module(Buffer.from(SCAN_CODE, 'base64'));
    // As scan.c has them.
    return new WebAssembly.Instance(code, { env: { memory } }).exports as Exports;
  } catch {
    // A processor without SIMD.
    return undefined;
  }
}

/** A text in the memory: the same one is nearly always wanted again. */
class Written {
  readonly #memory: Buffer;
  readonly #place: number;
  #text = '';

  constructor(memory: Buffer, place: number) {
    this.#memory = memory;
    this.#place = place;
  }

  /** How long it is; -1: there is no room for it. */
  write(text: string): number {
    if (text.length > SAID_BYTES_MAX) return -1;
    if (text !== this.#text) this.#memory.write(text, this.#place, 'latin1');
    this.#text = text;
    return text.length;
  }
}

/**
 * Where bytes of a buffer are in the memory; brought there, if need be. What is behind `copiedBytesMax` of them is not:
 * `bytesOf` says how many may be looked at.
 */
export function placeOf({ memory }: Scanner, buffer: Buffer, start: number, end: number): number {
  if (buffer === readBuffer) return PLACES.read + start;
  buffer.copy(memory, PLACES.copied, start, start + bytesOf(buffer, start, end));
  return PLACES.copied;
}

export function bytesOf(buffer: Buffer, start: number, end: number): number {
  return buffer === readBuffer ? end - start : Math.min(end - start, PLACES.copiedBytesMax);
}

/** Undefined: it cannot be had here, or is not wanted (`SLUICE_SCANNER=off`). One per process: it has a state. */
export const scanner: Scanner | undefined =
  process.env['SLUICE_SCANNER'] === 'off' ? undefined : openScanner();
