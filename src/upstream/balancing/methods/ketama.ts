// Consistent hashing: every server has points on a circle of 2^32, a key belongs to the next point
// from its own hash on. A server that leaves gives away its own keys alone, and a server that gains
// weight only takes some: its points are the first 160 × weight of one endless chain.
//
// Source: nginx src/http/modules/ngx_http_upstream_hash_module.c (`consistent`), itself compatible with
// Cache::Memcached::Fast. Chain of "10.0.0.1:80": base = crc32("10.0.0.1" NUL "80"), then each point is
// the crc32 of the same text followed by the point before it (four bytes, least first; 0 at the start).

/** Points per unit of weight. */
const POINTS_PER_WEIGHT = 160;
/** The most points on one circle, 12 MB. Above it all servers get fewer, in proportion. */
const POINTS_MAX = 1_000_000;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function step(crc: number, byte: number): number {
  return (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
}

function textSteps(crc: number, text: string): number {
  let next = crc;
  for (let index = 0; index < text.length; index += 1) next = step(next, text.charCodeAt(index));
  return next;
}

/** CRC-32 of latin1 text, as zlib computes it; 0 … 2^32 - 1. */
export function crc32(text: string): number {
  return ~textSteps(-1, text) >>> 0;
}

export type RingMember = {
  readonly host: string;
  readonly port: number;
  readonly weight: number;
};

export class Ring {
  readonly #hashes: Uint32Array;
  /** For each point, the place of its member in the list. */
  readonly #owners: Uint32Array;

  constructor(members: readonly RingMember[]) {
    const wanted = members.reduce((sum, { weight }) => sum + weight * POINTS_PER_WEIGHT, 0);
    const share = Math.min(1, POINTS_MAX / wanted);
    const counts = members.map(({ weight }) =>
      Math.max(1, Math.floor(weight * POINTS_PER_WEIGHT * share)),
    );
    const total = counts.reduce((sum, count) => sum + count, 0);
    // Hash and owner in one number, so that a sort of numbers sorts both; exact up to 2^53.
    const points = new Float64Array(total);
    let at = 0;
    for (const [owner, { host, port }] of members.entries()) {
      const base = textSteps(step(textSteps(-1, host), 0), String(port));
      let last = 0;
      for (let count = counts[owner] ?? 0; count > 0; count -= 1) {
        let crc = base;
        for (let shift = 0; shift < 32; shift += 8) crc = step(crc, (last >>> shift) & 0xff);
        last = ~crc >>> 0;
        points[at] = last * OWNERS_MAX + owner;
        at += 1;
      }
    }
    points.sort();
    this.#hashes = new Uint32Array(total);
    this.#owners = new Uint32Array(total);
    for (const [index, point] of points.entries()) {
      this.#hashes[index] = Math.floor(point / OWNERS_MAX);
      this.#owners[index] = point % OWNERS_MAX;
    }
  }

  get size(): number {
    return this.#hashes.length;
  }

  /** The first point at or behind the hash. Behind the last point comes the first. */
  find(hash: number): number {
    let low = 0;
    let high = this.#hashes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#hashes[middle] ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return low === this.#hashes.length ? 0 : low;
  }

  /** The place of the member that has this point. Points are counted around the circle. */
  ownerAt(point: number): number {
    return this.#owners[point % this.#owners.length] ?? 0;
  }
}

/** 2^32 × this stays exact in a number. */
const OWNERS_MAX = 2 ** 20;
