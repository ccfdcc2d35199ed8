// What can go wrong with one attempt, and what follows: whose fault it is, what the client gets,
// and whether another attempt is safe. One table and two decisions; never a non-idempotent request
// twice once a byte of it may have reached a server, and never a pool that one client has emptied.

import { tlsProblem } from '../../base/tls-problem.ts';
import type { Outcome } from '../../upstream.ts';
import { TLS_PREFIX } from '../transport.ts';

/** `yes`: nothing was sent, safe for every method. `if-idempotent`: sent, outcome unknown. */
type Retry = 'yes' | 'no' | 'if-idempotent';

export type FailureCode =
  | 'connect_refused'
  | 'connect_timeout'
  | 'connect_failed'
  | 'no_socket'
  | 'tls_failed'
  | 'closed_early'
  | 'closed_in_head'
  | 'response_timeout'
  | 'send_timeout'
  | 'bad_response';

type Rule = {
  /** Who is to blame: only `server` can count for max_fails. */
  readonly source: 'server' | 'gateway' | 'client';
  readonly retry: Retry;
  /** The client's status when no other attempt is made. */
  readonly status: 502 | 503 | 504;
};

const RULES: Record<FailureCode, Rule> = {
  connect_refused: { source: 'server', retry: 'yes', status: 502 },
  connect_timeout: { source: 'server', retry: 'yes', status: 504 },
  connect_failed: { source: 'server', retry: 'yes', status: 502 },
  tls_failed: { source: 'server', retry: 'yes', status: 502 },
  // Out of file descriptors or ports: trying the next server would not help.
  no_socket: { source: 'gateway', retry: 'no', status: 503 },
  closed_early: { source: 'server', retry: 'if-idempotent', status: 502 },
  closed_in_head: { source: 'server', retry: 'if-idempotent', status: 502 },
  response_timeout: { source: 'server', retry: 'if-idempotent', status: 504 },
  send_timeout: { source: 'server', retry: 'if-idempotent', status: 504 },
  // The server worked on the request; its answer is unusable. As in nginx, it is not sent again.
  bad_response: { source: 'server', retry: 'no', status: 502 },
};

/** A failed attempt as a value. `reason` is for the log and the error body. */
export type Failure = Rule & { readonly code: FailureCode; readonly reason: string };

export function failure(code: FailureCode, reason: string): Failure {
  return { ...RULES[code], code, reason };
}

/** The failure of a connection that never came up, from the system's code. */
export function connectFailure(systemCode: string, server: string): Failure {
  if (systemCode === NO_CREDENTIALS) {
    return failure('no_socket', `no certificates here to reach server ${server} over TLS`);
  }
  if (systemCode.startsWith(TLS_PREFIX)) return tlsFailure(systemCode, server);
  switch (systemCode) {
    case 'ECONNREFUSED':
      return failure('connect_refused', `server ${server} refused the connection`);
    case 'ETIMEDOUT':
      return failure('connect_timeout', `server ${server} did not accept the connection in time`);
    case 'EMFILE':
    case 'ENFILE':
    case 'EADDRNOTAVAIL':
    case 'ENOBUFS':
    case 'ENOMEM':
      return failure('no_socket', `no socket to reach server ${server} (${systemCode})`);
    default:
      return failure(
        'connect_failed',
        `server ${server} cannot be reached (${systemCode || 'closed while connecting'})`,
      );
  }
}

function tlsFailure(prefixed: string, server: string): Failure {
  const code = prefixed.slice(TLS_PREFIX.length);
  return code === 'ETIMEDOUT'
    ? failure('connect_timeout', `server ${server} did not finish the TLS handshake in time`)
    : failure(
        'tls_failed',
        `server ${server} cannot be trusted or understood over TLS: ${tlsProblem(code)}`,
      );
}

/** In the place of a system's code: its upstream is spoken to over TLS, and this process has not what that needs. */
export const NO_CREDENTIALS = `${TLS_PREFIX}NO_CREDENTIALS`;

export function badResponse(server: string, reason: string): Failure {
  return failure('bad_response', `server ${server} sent a bad response: ${reason}`);
}

/** Only a server that has sent nothing at all can have closed before it saw the request. */
export function closedEarly(
  server: string,
  isInHead: boolean,
  what: string,
  systemCode: string,
): Failure {
  return isInHead
    ? failure(
        'closed_in_head',
        `server ${server} ${what} in the middle of its response head${systemCode}`,
      )
    : failure('closed_early', `server ${server} ${what} before it answered${systemCode}`);
}

/** It broke off while the body was still on its way: a server may refuse a body at any time. */
export function whileSending(failed: Failure): Failure {
  return failed.source === 'server' ? { ...failed, source: 'client' } : failed;
}

/**
 * What a failed attempt says about its server. That it cannot be reached is true for everybody. That
 * it gave no whole answer may be due to the request, which one client can repeat: so one request
 * counts against one server at most, and never takes the last one out.
 *
 * |                          | another is eligible | none is |
 * | not reached              | failure             | failure |
 * | no answer, first server  | failure             | spared  |
 * | no answer, later servers | spared              | spared  |
 * | body still on its way    | neutral             | neutral |
 *
 * nginx counts all of these, but for a response that is cut, which it never counts.
 */
export function outcomeOf(
  failed: Pick<Failure, 'source' | 'retry'>,
  context: { readonly isFirst: boolean; readonly hasOther: boolean },
): Outcome {
  if (failed.source !== 'server') return 'neutral';
  if (failed.retry === 'yes') return 'failure';
  return context.isFirst && context.hasOther ? 'failure' : 'spared';
}

/** The process, or the whole system, has as many files open as it may. */
export function isOutOfDescriptors(systemCode: string): boolean {
  return systemCode === 'EMFILE' || systemCode === 'ENFILE';
}

export type Attempted = {
  readonly idempotent: boolean;
  /** The whole body that was taken from the client so far is still at hand. */
  readonly replayable: boolean;
  /** A byte of the request was handed to an established connection. */
  readonly sent: boolean;
};

/** True when another attempt cannot do the work twice. Source: RFC 9110 9.2.2, RFC 9112 9.3.1. */
export function mayRetry(failed: Failure, attempted: Attempted): boolean {
  if (failed.retry === 'no' || !attempted.replayable) return false;
  return !attempted.sent || attempted.idempotent;
}
