// What is counted, as plain numbers that cross the process boundary: per server, per upstream, and
// the durations as a histogram with fixed bounds (so that workers' figures simply add up). Counters
// only rise. They count from the moment the server or upstream became known to this process.

/** The gateway raises all but `attempts` (pick does) and `failures` (settle does). */
export type ServerCounters = {
  /** Picks: requests sent, or tried to be sent, to this server. */
  attempts: number;
  /** Whole responses that reached the client. */
  answered: number;
  /** Attempts that ended in another attempt. */
  retried: number;
  cut: number;
  lost: number;
  /** Attempts settled as failures. */
  failures: number;
};

/** How an exchange ended; see ReceiptDocument for the words. */
export type ExchangeResult = 'answered' | 'cut' | 'lost' | 'clientGone';

/** The upstream keeps all of these but `retried` and `statuses`, which the gateway raises. */
export type UpstreamCounters = {
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
  /** Exchanges that wait for their answer now. */
  inFlight: number;
  /** Final statuses sent to clients, by class: index 1 to 5; 0 = other. */
  readonly statuses: number[];
  /** Answered exchanges per bucket of DURATION_BOUNDS_MS, the last one unbounded; not cumulative. */
  readonly durations: number[];
  durationSumMs: number;
};

/** Upper bounds (inclusive) of the duration buckets, ms. */
export const DURATION_BOUNDS_MS: readonly number[] = [
  1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000,
];

export function createServerCounters(): ServerCounters {
  return { attempts: 0, answered: 0, retried: 0, cut: 0, lost: 0, failures: 0 };
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
    inFlight: 0,
    statuses: [0, 0, 0, 0, 0, 0],
    durations: new Array<number>(DURATION_BOUNDS_MS.length + 1).fill(0),
    durationSumMs: 0,
  };
}

export function recordDuration(counters: UpstreamCounters, ms: number): void {
  let bucket = 0;
  // Sixteen buckets, most answers in the first few: a scan beats a binary search.
  while (bucket < DURATION_BOUNDS_MS.length && ms > (DURATION_BOUNDS_MS[bucket] ?? 0)) bucket += 1;
  counters.durations[bucket] = (counters.durations[bucket] ?? 0) + 1;
  counters.durationSumMs += ms;
}
