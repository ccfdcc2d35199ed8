// A worker's view of its upstreams as plain data for the primary: counters and each server's state.

import type { ServerCounters, UpstreamCounters } from './counters.ts';
import type { Eligibility } from './eligibility.ts';

/** What the requests themselves found out about a server. Times are of the wall clock, ms. */
export type Findings = {
  /** Attempts that failed since the last one that did not. */
  readonly failedInARow: number;
  /** Why the last one failed ('' = none did), and when. */
  readonly lastFailure: string;
  readonly lastFailureMs: number;
  /** 0 = not ejected. */
  readonly ejectedUntilMs: number;
  /** The part of its weight that it has now, in a slow start; 1 = all of it. */
  readonly ramp: number;
};

/** What a server that takes no new requests has had for the longest. */
export type OldestRequest = {
  readonly upstream: string;
  readonly server: string;
  /** Method and path; of the query the names alone. */
  readonly request: string;
  /** When it came; of the wall clock. */
  readonly sinceMs: number;
};

export type ServerFigures = {
  readonly id: string;
  /** It left the table and finishes what is in flight. It is listed until it is idle. */
  readonly gone: boolean;
  readonly inFlight: number;
  readonly eligibility: Eligibility;
  /** Failures that count for max_fails now. */
  readonly fails: number;
  readonly findings: Findings;
  readonly counters: Readonly<ServerCounters>;
};

/** A copy, which does not change afterwards. */
export type UpstreamFigures = {
  readonly name: string;
  readonly counters: Readonly<UpstreamCounters>;
  readonly servers: readonly ServerFigures[];
};
