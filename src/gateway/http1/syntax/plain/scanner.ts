// The scanner of scan.c, as far as it can be had here: it needs WebAssembly with SIMD.

import { PLACES, readBuffer, scanMemory } from '../../../read-buffer.ts';
import { SCAN_CODE } from './scan-code.ts';

/** Places in `out`, in the order of scan.c. */
export const OUT = {
  ...{ methodOrStatus: 0, firstAt: 1, firstEnd: 2, minor: 3, count: 4, flags: 5, length: 6 },
  ...{ textFrom: 7, textTo: 8, fieldsAt: 9, fieldsEnd: 10, headEnd: 11, hostFrom: 12, hostTo: 13 },
  ...{ forwardedFor: 14, forwardedProto: 16, forwardedHost: 18, requestId: 20, keepAlive: 22 },
} as const;
const OUT_LENGTH = 24;

/** Bits of OUT.flags. */
export const KEEP_ALIVE = 1;
export const CLOSE = 2;
export const CHUNKED = 4;
export const HAS_LENGTH = 8;
export const HAS_HOST = 16;
export const HAS_BODY = 32;

/** How many values of Host the scanner knows at once; what it adds where a place stands for another one now. */
export const HOSTS = 256;

/** As `toString('latin1', …)`, which takes a third longer; Node has it, its types have not. */
export type Latin1Buffer = Buffer & { latin1Slice(start: number, end?: number): string };

export type Scanner = {
  /** What the last scan has found. */
  readonly out: Int32Array;
  readonly memory: Latin1Buffer;
  /** The place behind a whole head between two places; 0: it is not whole, or not plain. */
  request(from: number, to: number, takesRequestId: boolean): number;
  response(from: number, to: number): number;
  /** A place of HOSTS for the value between two places, and HOSTS if it is new there; -1: none. */
  host(from: number, to: number): number;
};

/** Undefined: it cannot be had here, or is not wanted (`SLUICE_SCANNER=off`). One per process: it has a state. */
export const scanner: Scanner | undefined =
  process.env['SLUICE_SCANNER'] === 'off' ? undefined : openScanner();

type Exports = Readonly<Record<string, (...values: number[]) => number>>;

function openScanner(): Scanner | undefined {
  if (scanMemory === undefined) return undefined;
  const { buffer } = scanMemory;
  try {
    const code = new WebAssembly.Module(Buffer.from(SCAN_CODE, 'base64'));
    const instance = new WebAssembly.Instance(code, { env: { memory: scanMemory } });
    // As scan.c has them.
    const { out, request, response, host } = instance.exports as Exports;
    if (!out || !request || !response || !host) return undefined;
    return {
      out: new Int32Array(buffer, out(), OUT_LENGTH),
      memory: Buffer.from(buffer) as Latin1Buffer,
      request: (from, to, takesId) => request(from, to, PLACES.packed, takesId ? 1 : 0),
      response: (from, to) => response(from, to, PLACES.packed),
      host,
    };
  } catch {
    // A processor without SIMD.
    return undefined;
  }
}

/** Where these bytes are in the memory; brought there, if need be, as many as a usual head has. */
export function placeOf({ memory }: Scanner, buffer: Buffer, start: number, end: number): number {
  if (buffer === readBuffer) return PLACES.read + start;
  buffer.copy(memory, PLACES.copied, start, Math.min(end, start + PLACES.copiedBytesMax));
  return PLACES.copied;
}
