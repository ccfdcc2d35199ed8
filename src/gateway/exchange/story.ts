// The story of a request that has ended, from what its exchange knows. It is made for few of them; see
// recorder.ts. What is in it is bounded, whatever a client has sent.

import {
  type ClosedBy,
  eligibility,
  type Story,
  type StoryAttempt,
  type StoryKind,
} from '../../model.ts';
import type { Server, Upstream } from '../../upstream.ts';
import type { AccessLine } from '../access-log.ts';
import type { RequestHead } from '../message.ts';
import { clientIdIn, masked, short, traceIdIn } from '../recorder.ts';
import type { Attempts } from './attempts.ts';
import type { FailureCode } from './retry.ts';

const HOST_LENGTH_MAX = 100;
const METHOD_LENGTH_MAX = 24;
const DETAIL_LENGTH_MAX = 300;
const NAME_LENGTH_MAX = 200;
/** Servers of an upstream that are listed. */
const POOL_MAX = 16;

export type StoryFacts = {
  readonly kind: StoryKind;
  readonly line: AccessLine;
  readonly head: RequestHead;
  readonly route: string;
  readonly attempts: Attempts;
  readonly upstream: Upstream | undefined;
  /** The attempt that was under way at the end. */
  readonly last: StoryAttempt | undefined;
  readonly bytesIn: number;
  readonly nowMs: number;
};

export function storyOf(facts: StoryFacts): Story {
  const { line, head, attempts, last, nowMs, upstream } = facts;
  const failures = attempts.failures.map(({ told }) => told);
  const all = last === undefined ? failures : [...failures, last];
  const failed = line.result === 'lost' && last === undefined ? attempts.failed : undefined;
  const status = line.status || attempts.refusedWith;
  const isAnswered = last !== undefined && line.status > 0;
  return {
    ...{ id: line.id, kind: facts.kind, timeMs: Math.round(Date.now() - line.ms) },
    upstream: short(line.upstream, NAME_LENGTH_MAX),
    route: short(facts.route, NAME_LENGTH_MAX),
    ...{ listener: line.listener, client: short(line.client, HOST_LENGTH_MAX), ...requestOf(head) },
    ...(attempts.trace === undefined ? {} : { traceId: attempts.trace.traceId }),
    status,
    madeBy: isAnswered ? 'server' : status === 0 ? '' : 'gateway',
    waitMs: isAnswered ? tenths(attempts.waitMs) : null,
    durationMs: tenths(line.ms),
    ...{ bytesIn: facts.bytesIn, bytesOut: line.bytes, result: line.result },
    reason: wordOf(line, attempts, failed?.code),
    detail: short(line.reason, DETAIL_LENGTH_MAX),
    closedBy: failed === undefined ? attempts.closedBy : CLOSED_BY[failed.code],
    attempts: all.map((attempt, index) => ({
      ...attempt,
      startMs: tenths(attempt.startMs - attempts.beganMs),
      connectMs: attempt.connectMs === null ? null : tenths(attempt.connectMs),
      headMs: attempt.headMs === null ? null : tenths(attempt.headMs),
      tookMs: tenths(attempt.tookMs),
      failure: short(attempt.failure, DETAIL_LENGTH_MAX),
      retried: index < all.length - 1,
    })),
    attemptsLeftOut: attempts.failuresLeftOut,
    notRetried: failed === undefined ? '' : attempts.notRetried || 'no other server was eligible',
    pool: line.result === 'lost' && last === undefined ? poolOf(upstream, nowMs) : [],
  };
}

/** Of a request that came to no exchange: its head was refused, and may not even be one. */
export function refusalStory(
  line: Pick<AccessLine, 'id' | 'client' | 'listener' | 'status' | 'reason'>,
  head: RequestHead | undefined,
): Story {
  const { id, client, listener, status } = line;
  return {
    ...{ id, kind: 'failed', timeMs: Date.now(), upstream: '', route: '', listener },
    ...{ client: short(client, HOST_LENGTH_MAX), ...requestOf(head) },
    ...{ status, madeBy: 'gateway', waitMs: null, durationMs: 0, bytesIn: 0, bytesOut: 0 },
    ...{
      result: 'refused',
      reason: 'request_refused',
      detail: short(line.reason, DETAIL_LENGTH_MAX),
    },
    ...{ closedBy: 'gateway', attempts: [], attemptsLeftOut: 0, notRetried: '', pool: [] },
  };
}

function requestOf(head: RequestHead | undefined) {
  const { method = '', host = '', target = '', fields = '' } = head ?? {};
  return {
    ...{ method: short(method, METHOD_LENGTH_MAX), host: short(host, HOST_LENGTH_MAX) },
    ...{ path: masked(target), traceId: traceIdIn(fields), clientId: clientIdIn(fields) },
  };
}

const CLOSED_BY: Readonly<Record<FailureCode, ClosedBy>> = {
  connect_refused: 'server',
  connect_failed: 'server',
  tls_failed: 'server',
  closed_early: 'server',
  closed_in_head: 'server',
  connect_timeout: 'gateway',
  response_timeout: 'gateway',
  send_timeout: 'gateway',
  bad_response: 'gateway',
  no_socket: '',
};

/** Why, in one word. */
function wordOf(line: AccessLine, attempts: Attempts, failed: FailureCode | undefined): string {
  const { result, status, upstream } = line;
  switch (result) {
    case 'answered':
      return status >= 500 ? 'server_error' : '';
    case 'cut':
      return attempts.closedBy === 'gateway' ? 'gateway_stopped' : 'response_cut';
    case 'clientGone':
      return attempts.refusedWith > 0 ? 'request_refused' : 'client_gone';
    case 'lost':
      return failed ?? (status === 503 ? 'no_eligible_server' : 'gateway_stopped');
    default:
      if (status === 404) return 'no_route';
      return status === 503 && upstream === '' ? 'no_upstream' : 'request_refused';
  }
}

function poolOf(upstream: Upstream | undefined, nowMs: number): Story['pool'] {
  const servers: readonly Server[] = upstream?.servers.slice(0, POOL_MAX) ?? [];
  return servers.map((server) => ({ server: server.id, stateThen: eligibility(server, nowMs) }));
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
