// Traffic of one second, of this gateway and of others: written down for them, read with distrust, and added up. Times
// are added up as histograms: a mean of percentiles would be a number of nothing.

import type { SecondFigures, Traffic } from '../../admin.ts';
import type { History, Second } from '../../history.ts';
import { HEAD_BUCKETS, headQuantile } from '../../model.ts';

/** Servers in one record, those with the most requests: with more of them the rest is in the sum alone. */
const SERVERS_MAX = 500;
const TEXT_MAX = 256 * 1024;

/** requests, failures, errors, in flight, then pairs of bucket and count. */
type Packed = readonly number[];

export type PoolSeconds = {
  readonly own: Second;
  readonly servers: ReadonlyMap<string, Second>;
  /** Every server with traffic is in it. */
  readonly isWhole: boolean;
};

const NOTHING: Second = { requests: 0, failures: 0, errors: 0, inFlight: 0, heads: [] };

/** What this gateway tells of its last second. */
export function trafficText(
  history: Pick<History, 'seconds'>,
  upstreams: readonly string[],
): string {
  const pools = upstreams.map((name) => {
    const { own, servers } = history.seconds(name);
    const busiest = [...servers].toSorted(([, a], [, b]) => b.requests - a.requests);
    const shown = busiest.slice(0, SERVERS_MAX);
    const whole = shown.length === busiest.length ? 1 : 0;
    const packed = Object.fromEntries(shown.map(([id, second]) => [id, pack(second)]));
    return [name, { own: pack(own), whole, servers: packed }] as const;
  });
  return JSON.stringify(Object.fromEntries(pools));
}

/** By upstream; nothing of what is no such record. */
export function readTraffic(text: string): ReadonlyMap<string, PoolSeconds> {
  const pools = new Map<string, PoolSeconds>();
  if (text.length > TEXT_MAX) return pools;
  for (const [name, pool] of entriesOf(fromJson(text))) {
    const { own, whole, servers } = Object.fromEntries(entriesOf(pool));
    const read = entriesOf(servers).map(([id, packed]) => [id, unpack(packed)] as const);
    pools.set(name, { own: unpack(own), isWhole: whole === 1, servers: new Map(read) });
  }
  return pools;
}

export function sumOf(seconds: readonly Second[]): Second {
  const heads = new Array<number>(HEAD_BUCKETS).fill(0);
  const sum = { requests: 0, failures: 0, errors: 0, inFlight: 0, heads };
  for (const second of seconds) {
    sum.requests += second.requests;
    sum.failures += second.failures;
    sum.errors += second.errors;
    sum.inFlight += second.inFlight;
    for (let place = 0; place < HEAD_BUCKETS; place += 1) {
      heads[place] = (heads[place] ?? 0) + (second.heads[place] ?? 0);
    }
  }
  return sum;
}

/** As a page shows it: a time only where there was an answer. */
export function shown({ requests, failures, errors, inFlight, heads }: Second): Traffic {
  const p50 = headQuantile(heads, 0.5);
  const times = Number.isNaN(p50)
    ? {}
    : { p50Ms: tenths(p50), p99Ms: tenths(headQuantile(heads, 0.99)) };
  const counts = { requests: tenths(requests), failures: tenths(failures), errors: tenths(errors) };
  const lastSecond: SecondFigures = { ...counts, ...times };
  return { inFlight, lastSecond };
}

export function secondOf(seconds: PoolSeconds | undefined, server: string): Second {
  if (seconds === undefined) return NOTHING;
  return server === '' ? seconds.own : (seconds.servers.get(server) ?? NOTHING);
}

function pack({ requests, failures, errors, inFlight, heads }: Second): Packed {
  const pairs: number[] = [];
  for (let place = 0; place < HEAD_BUCKETS; place += 1) {
    const count = heads[place] ?? 0;
    if (count > 0) pairs.push(place, count);
  }
  return [requests, failures, errors, inFlight, ...pairs];
}

function unpack(value: unknown): Second {
  if (!Array.isArray(value) || !value.every(isCount)) return NOTHING;
  const [requests = 0, failures = 0, errors = 0, inFlight = 0, ...pairs] = value;
  const heads = new Array<number>(HEAD_BUCKETS).fill(0);
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const place = pairs[at] ?? -1;
    if (place in heads) heads[place] = pairs[at + 1] ?? 0;
  }
  return { requests, failures, errors, inFlight, heads };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** Nothing of what is no object. */
export function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

/** Undefined: it is no JSON. */
export function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Of a stranger: nothing is known of it.
    return undefined;
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
