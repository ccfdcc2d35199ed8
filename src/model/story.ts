// The story of one request, as a worker tells it to the primary: who was tried, what came of it, who closed.
// No bodies, no fields of the head but the two ids; values in the query are masked before it is made.

import type { Eligibility } from './eligibility.ts';

/**
 * Why it is kept. failed: no server's whole answer reached the client, or that was a 5xx. retried: it did, by
 * another attempt. slow: among the longest waits. sampled: an ordinary one, to compare with.
 */
export type StoryKind = 'failed' | 'retried' | 'slow' | 'sampled';

/** A connection was closed in the midst of it, by this side; '' = by nobody. */
export type ClosedBy = 'client' | 'server' | 'gateway' | '';

export type StoryAttempt = {
  readonly server: string;
  /** Since the request came, as the two below are since the attempt began. */
  readonly startMs: number;
  /** null: on a connection that was kept, or there was none. */
  readonly connectMs: number | null;
  /** To the head of the answer; null: none came. */
  readonly headMs: number | null;
  /** To its end. */
  readonly tookMs: number;
  /** Of the answer; 0 = none. */
  readonly status: number;
  /** In words; '' = it did not fail. */
  readonly failure: string;
  /** Why it could not take another request when this one ended, or ok. */
  readonly stateThen: Eligibility;
  /** Another attempt followed. */
  readonly retried: boolean;
};

export type Story = {
  /** Unique in the gateway, unless a client brought it. */
  readonly id: string;
  readonly kind: StoryKind;
  /** When the request came; the Unix clock. */
  readonly timeMs: number;
  /** '' = it came to none. */
  readonly upstream: string;
  /** Host and path of the route; '' = none fits. */
  readonly route: string;
  readonly listener: string;
  readonly client: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  /** That the client got; 0 = none. */
  readonly status: number;
  readonly madeBy: 'gateway' | 'server' | '';
  /** To the first byte of the answer; null: a server gave none. */
  readonly waitMs: number | null;
  readonly durationMs: number;
  /** Of the bodies, or through a tunnel. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** `answered`, `cut`, `lost`, `clientGone` or `refused`, as in the access log. */
  readonly result: string;
  /** One word; '' = nothing went wrong. And the same in words. */
  readonly reason: string;
  readonly detail: string;
  readonly closedBy: ClosedBy;
  /** The first and the last ones, where there were very many. */
  readonly attempts: readonly StoryAttempt[];
  readonly attemptsLeftOut: number;
  /** Why no other attempt followed the last that failed, in words; '' = one did, or none had failed. */
  readonly notRetried: string;
  /** Where no server was eligible: those of the upstream, as they were then; bounded. */
  readonly pool: readonly { readonly server: string; readonly stateThen: Eligibility }[];
  /** Of `traceparent`; '' = none. */
  readonly traceId: string;
  /** The client's own `X-Request-Id`, where that is not the id. */
  readonly clientId: string;
};

/** What a worker has kept since it was asked last. */
export type StoryBatch = {
  readonly stories: readonly Story[];
  /** Worth a story, and not kept: there were too many at a time. */
  readonly leftOut: number;
};
