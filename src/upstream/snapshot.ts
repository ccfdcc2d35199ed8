// A worker's view of its upstreams as plain data for the primary: counters and each server's state.

import type { ServerCounters, UpstreamCounters } from './counters.ts';
import type { Eligibility } from './table.ts';

export type ServerSnapshot = {
  readonly id: string;
  /** Out of the table, finishing what is in flight; listed until it is idle. */
  readonly gone: boolean;
  readonly inFlight: number;
  readonly eligibility: Eligibility;
  /** Failures that count towards max_fails now. */
  readonly fails: number;
  readonly counters: Readonly<ServerCounters>;
};

/** A copy: it does not change afterwards. */
export type UpstreamSnapshot = {
  readonly name: string;
  readonly counters: Readonly<UpstreamCounters>;
  readonly servers: readonly ServerSnapshot[];
};
