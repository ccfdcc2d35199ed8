// A map whose keys can be walked in Consul's order: by the bytes of their UTF-8 form. Beside the map
// the keys stand in sorted chunks of bounded size, so that a prefix is a run of them, found by
// bisection, and one insertion among a million keys moves at most one chunk.

/** A chunk that grows beyond this is halved. */
const CHUNK_MAX = 256;
/** With more pairs at once, all keys are sorted anew. */
const SINGLY_MAX = 64;

type Place = { readonly chunk: number; readonly at: number };

export class SortedMap<Value> {
  readonly #values = new Map<string, Value>();
  readonly #chunkMax: number;
  /** None is empty. */
  #chunks: string[][] = [];

  constructor(chunkMax = CHUNK_MAX) {
    this.#chunkMax = chunkMax;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value): void {
    const { size } = this.#values;
    this.#values.set(key, value);
    if (this.#values.size !== size) this.#insert(key);
  }

  setMany(pairs: readonly (readonly [string, Value])[]): void {
    if (pairs.length <= SINGLY_MAX) {
      for (const [key, value] of pairs) this.set(key, value);
      return;
    }
    for (const [key, value] of pairs) this.add(key, value);
    this.sort();
  }

  /** Without its place in the order: until `sort` no other method may be called. */
  add(key: string, value: Value): void {
    this.#values.set(key, value);
  }

  sort(): void {
    // First by UTF-16 units, which is several times as fast; what is left of the work is then one pass.
    const keys = [...this.#values.keys()].sort().sort(compareKeys);
    this.#chunks = [];
    for (let at = 0; at < keys.length; at += this.#chunkMax) {
      this.#chunks.push(keys.slice(at, at + this.#chunkMax));
    }
  }

  delete(key: string): void {
    if (!this.#values.delete(key)) return;
    const { chunk, at } = this.#place(key);
    const keys = this.#chunks[chunk];
    keys?.splice(at, 1);
    if (keys?.length === 0) this.#chunks.splice(chunk, 1);
  }

  /** Removes everything under the prefix and returns what was there, in order. */
  deletePrefix(prefix: string): [string, Value][] {
    const removed = this.pairs(prefix);
    if (removed.length === 0) return removed;
    for (const [key] of removed) this.#values.delete(key);
    const from = this.#place(prefix);
    let { chunk: last, at: end } = from;
    for (let left = removed.length; left > 0; ) {
      const here = Math.min(left, (this.#chunks[last]?.length ?? 0) - end);
      left -= here;
      if (left === 0) end += here;
      else {
        last++;
        end = 0;
      }
    }
    const head = this.#chunks[from.chunk]?.slice(0, from.at) ?? [];
    const tail = this.#chunks[last]?.slice(end) ?? [];
    const kept = [head, tail].filter((keys) => keys.length > 0);
    this.#chunks.splice(from.chunk, last - from.chunk + 1, ...kept);
    return removed;
  }

  keys(prefix: string): string[] {
    const keys: string[] = [];
    this.#walk(prefix, (key) => keys.push(key));
    return keys;
  }

  pairs(prefix: string): [string, Value][] {
    const pairs: [string, Value][] = [];
    this.#walk(prefix, (key) => {
      const value = this.#values.get(key);
      if (value !== undefined) pairs.push([key, value]);
    });
    return pairs;
  }

  values(prefix: string): Value[] {
    const values: Value[] = [];
    this.#walk(prefix, (key) => {
      const value = this.#values.get(key);
      if (value !== undefined) values.push(value);
    });
    return values;
  }

  #walk(prefix: string, visit: (key: string) => void): void {
    let { chunk, at } = this.#place(prefix);
    for (let keys = this.#chunks[chunk]; keys !== undefined; keys = this.#chunks[++chunk]) {
      for (; at < keys.length; at++) {
        const key = keys[at] ?? '';
        if (!key.startsWith(prefix)) return;
        visit(key);
      }
      at = 0;
    }
  }

  #insert(key: string): void {
    const { chunk, at } = this.#place(key);
    const keys = this.#chunks[chunk];
    if (keys === undefined) {
      this.#chunks.push([key]);
      return;
    }
    if (at === keys.length && at >= this.#chunkMax && chunk === this.#chunks.length - 1) {
      this.#chunks.push([key]); // Keys that come in order fill the chunks.
      return;
    }
    keys.splice(at, 0, key);
    if (keys.length > this.#chunkMax) {
      const half = keys.length >>> 1;
      this.#chunks.splice(chunk, 1, keys.slice(0, half), keys.slice(half));
    }
  }

  /** Where the key is, or would be inserted: within the last chunk that begins at it or before. */
  #place(key: string): Place {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#chunks[middle]?.[0] ?? '', key) <= 0) low = middle + 1;
      else high = middle;
    }
    const chunk = Math.max(0, low - 1);
    const keys = this.#chunks[chunk] ?? [];
    low = 0;
    high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(keys[middle] ?? '', key) < 0) low = middle + 1;
      else high = middle;
    }
    return { chunk, at: low };
  }
}

/** Whether one of the keys, which stand in order, has the prefix. */
export function someUnder(keys: readonly string[], prefix: string): boolean {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(keys[middle] ?? '', prefix) < 0) low = middle + 1;
    else high = middle;
  }
  return keys[low]?.startsWith(prefix) === true;
}

/**
 * The order of the UTF-8 bytes without making them. It is the order of UTF-16 units except that
 * surrogates (code points from U+10000 on) come after U+E000–U+FFFF.
 */
export function compareKeys(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) return rank(a) - rank(b);
  }
  return left.length - right.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x10000 : unit;
}
