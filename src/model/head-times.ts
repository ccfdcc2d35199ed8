// How long a server takes to begin its answer, as a histogram with fixed bounds, so that the figures of
// workers simply add up. It is the time that nginx calls $upstream_header_time: from the begin of the
// attempt (a new connection included) to the head of the response. The time to the end of a response
// says as much of its length and of the client's reading as of the server: that one is per upstream.
//
// A worked example: 12 answers of 8 ms and one of 80 ms. The 12 are between 7 and 10, the one between 70
// and 100. p50 is the 6.5th of the 12: 7 + 3 × 6.5/12 = 8.6 ms. p99 is the 12.87th: 70 + 30 × 0.87 = 96 ms.

/** Upper bounds (inclusive) of the buckets, ms. All of DURATION_BOUNDS_MS are among them. */
export const HEAD_BOUNDS_MS: readonly number[] = [
  ...[0.5, 1, 1.5, 2, 3, 5, 7, 10, 15, 25, 35, 50, 70, 100, 150, 250, 350, 500, 700],
  ...[1000, 1500, 2500, 3500, 5000, 7000, 10_000, 20_000, 30_000, 60_000],
];

/** The last bucket has no upper bound. */
export const HEAD_BUCKETS = HEAD_BOUNDS_MS.length + 1;

/** Up to here the place is read from a table: every bound so far is a whole number of halves. */
const TABLE_MS = 100;
const PLACES = Uint8Array.from({ length: 2 * TABLE_MS + 1 }, (_, halves) => scan(halves / 2));

/** The bucket of a time. */
export function headBucket(ms: number): number {
  if (ms <= TABLE_MS) return PLACES[Math.ceil(2 * ms)] ?? 0;
  return scan(ms);
}

function scan(ms: number): number {
  let place = 0;
  while (place < HEAD_BOUNDS_MS.length && ms > (HEAD_BOUNDS_MS[place] ?? 0)) place += 1;
  return place;
}

/**
 * The time that this part (0 to 1) of the answers does not exceed, ms, by a straight line within its
 * bucket; NaN where there is no answer. What is beyond the last bound counts as that bound.
 */
export function headQuantile(buckets: ArrayLike<number>, part: number): number {
  let total = 0;
  for (let place = 0; place < HEAD_BUCKETS; place += 1) total += buckets[place] ?? 0;
  if (total === 0) return Number.NaN;
  const rank = total * part;
  let before = 0;
  for (const [place, bound] of HEAD_BOUNDS_MS.entries()) {
    const count = buckets[place] ?? 0;
    if (count > 0 && before + count >= rank) {
      const least = HEAD_BOUNDS_MS[place - 1] ?? 0;
      return least + ((bound - least) * (rank - before)) / count;
    }
    before += count;
  }
  return HEAD_BOUNDS_MS.at(-1) ?? 0;
}
