// Counts what the clients saw. A failure is everything that is not `ok`; the first ones are kept
// with their details, so that a report can name each of them.

import type { Outcome } from './connection.ts';
import type { Kind } from './mix.ts';

export type Result = {
  readonly id: string;
  readonly kind: Kind;
  readonly method: string;
  readonly path: string;
  readonly idempotent: boolean;
  readonly outcome: Outcome;
  /** What went wrong; '' for ok. */
  readonly detail: string;
  /** Who answered, in which version; '' when nobody did. */
  readonly server: string;
  readonly version: string;
  /** When the request reached the server: the machine's monotonic clock, ms; 0 when unknown. */
  readonly arrivedMs: number;
  /** When it was due, and when it ended: the same clock, ms. */
  readonly startedMs: number;
  readonly endedMs: number;
};

export type Summary = {
  readonly requests: number;
  readonly ok: number;
  readonly failed: number;
  /** Failed requests that a proxy could have sent again. */
  readonly failedIdempotent: number;
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  /** The first failures, at most FAILURES_MAX. */
  readonly failures: readonly Result[];
  /** From the time the request was due; ms. */
  readonly latency: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  /** Longest stretch in which requests were waiting and none was answered, ms. */
  readonly longestGapMs: number;
  readonly servers: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly connections: number;
};

const FAILURES_MAX = 200;

export class Tally {
  connections = 0;
  #requests = 0;
  #ok = 0;
  #failedIdempotent = 0;
  #outcomes: Partial<Record<Outcome, number>> = {};
  #failures: Result[] = [];
  #latencies: number[] = [];
  #servers: Record<string, number> = {};
  #versions: Record<string, number> = {};
  #waiting = 0;
  #quietSinceMs = 0;
  #longestGapMs = 0;

  began(nowMs: number): void {
    if (this.#waiting === 0) this.#quietSinceMs = nowMs;
    this.#waiting += 1;
  }

  ended(result: Result): void {
    this.#waiting -= 1;
    this.#requests += 1;
    this.#outcomes[result.outcome] = (this.#outcomes[result.outcome] ?? 0) + 1;
    if (result.outcome === 'ok' || this.#waiting === 0) {
      this.#longestGapMs = Math.max(this.#longestGapMs, result.endedMs - this.#quietSinceMs);
      this.#quietSinceMs = result.endedMs;
    }
    if (result.server !== '') count(this.#servers, result.server);
    if (result.version !== '') count(this.#versions, result.version);
    if (result.outcome === 'ok') {
      this.#ok += 1;
      this.#latencies.push(result.endedMs - result.startedMs);
      return;
    }
    if (result.idempotent) this.#failedIdempotent += 1;
    if (this.#failures.length < FAILURES_MAX) this.#failures.push(result);
  }

  summary(): Summary {
    const sorted = this.#latencies.toSorted((left, right) => left - right);
    return {
      requests: this.#requests,
      ok: this.#ok,
      failed: this.#requests - this.#ok,
      failedIdempotent: this.#failedIdempotent,
      outcomes: { ...this.#outcomes },
      failures: [...this.#failures],
      latency: {
        p50: percentile(sorted, 0.5),
        p90: percentile(sorted, 0.9),
        p99: percentile(sorted, 0.99),
        max: percentile(sorted, 1),
      },
      longestGapMs: this.#longestGapMs,
      servers: { ...this.#servers },
      versions: { ...this.#versions },
      connections: this.connections,
    };
  }
}

/** The value at rank `share` of sorted numbers (nearest rank); 0 when there are none. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
