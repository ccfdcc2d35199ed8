// The recent past of one thing, a server, a version or an upstream: a ring of 300 seconds and one of 360
// times 10 s. Who had nothing to do in a second writes nothing: what was skipped is filled in when it is
// next written to, or read. So a quiet series costs its memory and no time.
//
// Counts of failures and requests in flight are kept as half-precision numbers, to spare memory: exact up to
// 2,048, then to 1 in 2,000, at most 65,504. So are times.

import { HEAD_BUCKETS, headQuantile } from '../model.ts';

export const FINE_SLOTS = 300;
export const COARSE_SLOTS = 360;
/** Seconds of a slot of the coarse ring. */
export const COARSE_S = 10;

const HALF_MAX = 65_504;
const FIELDS = 5;

/** What happened in some time. `heads`: answers by the buckets of HEAD_BOUNDS_MS. */
export type Happened = {
  readonly requests: number;
  readonly failures: number;
  readonly errors: number;
  readonly heads: ArrayLike<number>;
};

/** Oldest first, one per slot. NaN: no answer, so no time. */
export type Columns = {
  readonly requests: readonly number[];
  readonly failures: readonly number[];
  readonly errors: readonly number[];
  readonly inFlight: readonly number[];
  readonly p50Ms: readonly number[];
  readonly p99Ms: readonly number[];
};

/** Slots by number, of which the newest `slots` are kept. */
class Ring {
  readonly #slots: number;
  readonly #requests: Float32Array;
  /** failures, errors, in flight, p50, p99 of each slot. */
  readonly #halves: Float16Array;
  readonly #since: number;
  #last: number;
  #inFlight = 0;

  /** `first`: the slot before the first one that is written. */
  constructor(slots: number, first: number) {
    this.#slots = slots;
    this.#requests = new Float32Array(slots);
    this.#halves = new Float16Array(slots * FIELDS);
    this.#last = first;
    this.#since = first;
  }

  /** `parts`: so many slots share what happened. `rest`: in flight in slots that are not written. */
  write(
    slot: number,
    happened: Happened,
    {
      inFlight,
      rest,
      parts,
    }: { readonly inFlight: number; readonly rest: number; readonly parts: number },
  ): void {
    for (let skipped = Math.max(this.#last + 1, slot - this.#slots); skipped < slot; skipped += 1) {
      this.#set(skipped, [0, 0, this.#inFlight, Number.NaN, Number.NaN], 0);
    }
    const { requests, failures, errors, heads } = happened;
    const times = [headQuantile(heads, 0.5), headQuantile(heads, 0.99)];
    this.#set(slot, [failures / parts, errors / parts, inFlight, ...times], requests / parts);
    this.#last = slot;
    this.#inFlight = rest;
  }

  #set(slot: number, halves: readonly number[], requests: number): void {
    const at = slot % this.#slots;
    this.#requests[at] = requests;
    for (const [field, value] of halves.entries()) {
      // Half precision would make infinity of what is larger.
      this.#halves[at * FIELDS + field] = Math.min(value, HALF_MAX);
    }
  }

  /** The slots up to `slot`. */
  read(slot: number, count: number): Columns {
    const columns: number[][] = [[], [], [], [], [], []];
    for (let wanted = slot - count + 1; wanted <= slot; wanted += 1) {
      const isKept = wanted > this.#since && wanted <= this.#last;
      const isHere = isKept && wanted > this.#last - this.#slots;
      const at = wanted % this.#slots;
      columns[0]?.push(isHere ? (this.#requests[at] ?? 0) : 0);
      for (let field = 0; field < FIELDS; field += 1) {
        const value = isHere
          ? (this.#halves[at * FIELDS + field] ?? 0)
          : this.#absent(field, wanted);
        columns[field + 1]?.push(value);
      }
    }
    const [requests = [], failures = [], errors = [], inFlight = [], p50Ms = [], p99Ms = []] =
      columns;
    return { requests, failures, errors, inFlight, p50Ms, p99Ms };
  }

  #absent(field: number, slot: number): number {
    if (field > 2) return Number.NaN;
    return field === 2 && slot > this.#last ? this.#inFlight : 0;
  }
}

/** Adds up until its second, or its ten seconds, are over. */
class Sum {
  requests = 0;
  failures = 0;
  errors = 0;
  readonly heads = new Uint32Array(HEAD_BUCKETS);

  add({ requests, failures, errors, heads }: Happened): void {
    this.requests += requests;
    this.failures += failures;
    this.errors += errors;
    for (let place = 0; place < heads.length; place += 1) {
      this.heads[place] = (this.heads[place] ?? 0) + (heads[place] ?? 0);
    }
  }

  clear(): void {
    this.requests = 0;
    this.failures = 0;
    this.errors = 0;
    this.heads.fill(0);
  }
}

export class Series {
  inFlight = 0;
  /** The last second in which something happened. */
  activeAtS: number;
  readonly #second = new Sum();
  readonly #ten = new Sum();
  readonly #fine: Ring;
  readonly #coarse: Ring;
  /** The most in flight in these ten seconds. */
  #tenInFlight = 0;
  /** Of the last second in which something was added. */
  readonly #lastHeads = new Uint32Array(HEAD_BUCKETS);

  constructor(second: number) {
    this.activeAtS = second;
    this.#fine = new Ring(FINE_SLOTS, second - 1);
    this.#coarse = new Ring(COARSE_SLOTS, Math.floor(second / COARSE_S) - 1);
  }

  add(happened: Happened): void {
    this.#second.add(happened);
  }

  /** The seconds from `first` to `last` are over: what was added belongs to them in equal parts. */
  endSeconds(first: number, last: number): void {
    const from = Math.max(first, last - FINE_SLOTS + 1);
    for (let second = from; second <= last; second += 1) {
      const { inFlight } = this;
      this.#fine.write(second, this.#second, { inFlight, rest: inFlight, parts: last - first + 1 });
    }
    this.#ten.add(this.#second);
    this.#tenInFlight = Math.max(this.#tenInFlight, this.inFlight);
    this.#lastHeads.set(this.#second.heads);
    this.#second.clear();
    this.activeAtS = last;
  }

  endTen(ten: number): void {
    const inFlight = { inFlight: this.#tenInFlight, rest: this.inFlight };
    this.#coarse.write(ten, this.#ten, { ...inFlight, parts: 1 });
    this.#ten.clear();
    this.#tenInFlight = this.inFlight;
  }

  /** Answers of this second by the buckets of HEAD_BOUNDS_MS. */
  headsOf(second: number): ArrayLike<number> {
    return second === this.activeAtS ? this.#lastHeads : [];
  }

  fine(second: number, count = FINE_SLOTS): Columns {
    return this.#fine.read(second, count);
  }

  coarse(ten: number): Columns {
    return this.#coarse.read(ten, COARSE_SLOTS);
  }
}
