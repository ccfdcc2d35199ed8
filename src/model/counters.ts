// What is counted, as plain numbers that cross the process boundary: per server, per upstream, and
// the durations as a histogram with fixed bounds (so that workers' figures simply add up). Counters
// only rise. They count from the moment the server or upstream became known to this process.

import { HEAD_BUCKETS, headBucket } from './head-times.ts';
import type { SpanCounts } from './span.ts';

/** Servers and upstreams both count these. Open now: what was opened less what ended in any way. */
type TunnelCounters = {
  /** Upgraded connections that were opened. Their request is answered by the 101. */
  tunnels: number;
  /** The client ended it, or the server did in good order, or it was idle for too long. */
  tunnelsEnded: number;
  /** The gateway did, because the server leaves (`long_lived`). */
  tunnelsClosed: number;
  /** The server's side was gone while the client still used it, or the gateway stopped. */
  tunnelsCut: number;
};

/** The same of responses that are streams; their requests are counted as others are. */
type StreamCounters = {
  /** Streams of events, and responses that ran for longer than STREAM_AFTER_MS. */
  streams: number;
  /** Whole, or given up by the client. */
  streamsEnded: number;
  streamsClosed: number;
  /** The response broke off. */
  streamsCut: number;
};

/** The whole responses of a server that reached their clients, by the class of their status. */
type AnswerCounters = { [Class in `answered${1 | 2 | 3 | 4 | 5}xx`]: number };

/** `pick` raises `attempts` and `settle` raises `failures`. The gateway raises all others. */
export type ServerCounters = TunnelCounters &
  StreamCounters &
  AnswerCounters & {
    /** Picks: requests sent, or tried to be sent, to this server. */
    attempts: number;
    /** Whole responses that reached the client. */
    answered: number;
    /** Attempts that ended in another attempt. */
    retried: number;
    cut: number;
    lost: number;
    clientGone: number;
    /** Attempts settled as failures. */
    failures: number;
    /** Attempts that got the head of an answer. */
    heads: number;
    /** Of these, how many are in each bucket of HEAD_BOUNDS_MS; empty before the first. */
    readonly headTimes: number[];
    headSumMs: number;
  };

/** How an exchange ended; see ReceiptDocument for the words. */
export type ExchangeResult = 'answered' | 'cut' | 'lost' | 'clientGone';

/** The gateway raises `retried` and `statuses`. The upstream raises all others. */
export type UpstreamCounters = TunnelCounters &
  StreamCounters & {
    /** Exchanges begun: requests = answered + cut + lost + clientGone + inFlight. */
    requests: number;
    answered: number;
    /** Exchanges that needed more than one attempt. */
    retried: number;
    cut: number;
    lost: number;
    clientGone: number;
    /** Exchanges that found no eligible server at all; they are in `lost`, too. */
    refused: number;
    /** Attempts on ejected servers, because no other was left. */
    lastResorts: number;
    /** Exchanges that wait for their answer now. */
    inFlight: number;
    /** Final statuses sent to clients, by class: index 1 to 5; 0 = other. */
    readonly statuses: number[];
    /** Answered exchanges in each bucket of DURATION_BOUNDS_MS. The last bucket has no upper bound. */
    readonly durations: number[];
    durationSumMs: number;
  };

/** What happens to sockets, and to spans on their way to a collector, of a whole worker. */
export type SocketCounters = SpanCounts & {
  /** Clients that got a 503 because there were too many. */
  turnedAway: number;
  /** Clients that were lost before they were accepted. */
  acceptFailures: number;
  /** Clients that were lost before they were secured. */
  tlsFailures: number;
  /** Idle server connections that gave way to another socket. */
  evicted: number;
  /** Requests that got a 503 because there was no room for a server connection. */
  noSocket: number;
};

/** Upper bounds (inclusive) of the duration buckets, ms. */
export const DURATION_BOUNDS_MS: readonly number[] = [
  1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000,
];

export function createServerCounters(): ServerCounters {
  return {
    attempts: 0,
    answered: 0,
    answered1xx: 0,
    answered2xx: 0,
    answered3xx: 0,
    answered4xx: 0,
    answered5xx: 0,
    retried: 0,
    cut: 0,
    lost: 0,
    clientGone: 0,
    failures: 0,
    ...{ heads: 0, headTimes: [], headSumMs: 0 },
    tunnels: 0,
    ...{ tunnelsEnded: 0, tunnelsClosed: 0, tunnelsCut: 0 },
    ...{ streams: 0, streamsEnded: 0, streamsClosed: 0, streamsCut: 0 },
  };
}

export function createUpstreamCounters(): UpstreamCounters {
  return {
    requests: 0,
    answered: 0,
    retried: 0,
    cut: 0,
    lost: 0,
    clientGone: 0,
    refused: 0,
    lastResorts: 0,
    inFlight: 0,
    tunnels: 0,
    ...{ tunnelsEnded: 0, tunnelsClosed: 0, tunnelsCut: 0 },
    ...{ streams: 0, streamsEnded: 0, streamsClosed: 0, streamsCut: 0 },
    statuses: [0, 0, 0, 0, 0, 0],
    durations: new Array<number>(DURATION_BOUNDS_MS.length + 1).fill(0),
    durationSumMs: 0,
  };
}

export function createSocketCounters(): SocketCounters {
  const spans = { spansExported: 0, spansDropped: 0 };
  return { turnedAway: 0, acceptFailures: 0, tlsFailures: 0, evicted: 0, noSocket: 0, ...spans };
}

/** A server's whole response. `status`: 101, or 200 to 599. */
export function countAnswer(counters: ServerCounters, status: number): void {
  counters.answered += 1;
  if (status < 300 && status >= 200) counters.answered2xx += 1;
  else if (status < 600 && status >= 500) counters.answered5xx += 1;
  else if (status < 500 && status >= 400) counters.answered4xx += 1;
  else if (status < 400 && status >= 300) counters.answered3xx += 1;
  else if (status < 200) counters.answered1xx += 1;
}

/** The head of a server's answer, so long after the attempt began. */
export function recordHead(counters: ServerCounters, ms: number): void {
  const { headTimes } = counters;
  // Most servers of a large list never answer: those cost nothing.
  if (headTimes.length === 0) for (let n = 0; n < HEAD_BUCKETS; n += 1) headTimes.push(0);
  const place = headBucket(ms);
  headTimes[place] = (headTimes[place] ?? 0) + 1;
  counters.heads += 1;
  counters.headSumMs += ms;
}

export function recordDuration(counters: UpstreamCounters, ms: number): void {
  let bucket = 0;
  // Sixteen buckets, most answers in the first few: a scan beats a binary search.
  while (bucket < DURATION_BOUNDS_MS.length && ms > (DURATION_BOUNDS_MS[bucket] ?? 0)) bucket += 1;
  counters.durations[bucket] = (counters.durations[bucket] ?? 0) + 1;
  counters.durationSumMs += ms;
}

/** Those that are open now. */
export function openTunnels(counters: Readonly<TunnelCounters>): number {
  return counters.tunnels - counters.tunnelsEnded - counters.tunnelsClosed - counters.tunnelsCut;
}

export function openStreams(counters: Readonly<StreamCounters>): number {
  return counters.streams - counters.streamsEnded - counters.streamsClosed - counters.streamsCut;
}

// Counters are added by their names, so that a new one is in every sum. The compiler refuses one that is
// neither a number nor a list of numbers.

type Counters<T> = { [Name in keyof T]: number | number[] };

const SERVER_NAMES = namesOf(createServerCounters());
const UPSTREAM_NAMES = namesOf(createUpstreamCounters());
const SOCKET_NAMES = namesOf(createSocketCounters());

/** `sum` += `more` × `times`. */
export function addServerCounters(
  sum: ServerCounters,
  more: Readonly<ServerCounters>,
  times: 1 | -1 = 1,
): void {
  addCounters(SERVER_NAMES, sum, { more, times });
}

/** A copy that shares nothing: counters have lists. */
export function copyServerCounters(counters: Readonly<ServerCounters>): ServerCounters {
  return { ...counters, headTimes: [...counters.headTimes] };
}

export function addUpstreamCounters(
  sum: UpstreamCounters,
  more: Readonly<UpstreamCounters>,
  times: 1 | -1 = 1,
): void {
  addCounters(UPSTREAM_NAMES, sum, { more, times });
}

export function addSocketCounters(sum: SocketCounters, more: Readonly<SocketCounters>): void {
  addCounters(SOCKET_NAMES, sum, { more, times: 1 });
}

function addCounters<T extends Counters<T>>(
  names: readonly (keyof T)[],
  sum: T,
  { more, times }: { readonly more: Readonly<T>; readonly times: 1 | -1 },
): void {
  const sums: Counters<T> = sum;
  for (const name of names) {
    const [total, value] = [sums[name], more[name]];
    if (typeof total === 'number') sums[name] = total + Number(value) * times;
    else if (Array.isArray(value)) {
      for (const [place, part] of value.entries())
        total[place] = (total[place] ?? 0) + part * times;
    }
  }
}

/** Counters only rise. So an equal sum means that none has changed. A list changes with a number beside it. */
export function sumOfServerCounters(counters: Readonly<ServerCounters>): number {
  let sum = 0;
  for (const name of SERVER_NAMES) {
    const value = counters[name];
    if (typeof value === 'number') sum += value;
  }
  return sum;
}

function namesOf<T extends Counters<T>>(counters: T): readonly (keyof T)[] {
  // Object.keys does not know that these are all.
  return Object.keys(counters) as (keyof T)[];
}
