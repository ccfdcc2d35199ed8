// What can go wrong with one attempt, and what follows: whose fault it is, what the client gets,
// and whether another attempt is safe. One table and one decision; never a non-idempotent request
// twice once a byte of it may have reached a server.

/** `yes`: nothing was sent, safe for every method. `if-idempotent`: sent, outcome unknown. */
type Retry = 'yes' | 'no' | 'if-idempotent';

export type FailureCode =
  | 'connect_refused'
  | 'connect_timeout'
  | 'connect_failed'
  | 'no_socket'
  | 'closed_early'
  | 'closed_in_head'
  | 'response_timeout'
  | 'send_timeout'
  | 'bad_response';

type Rule = {
  /** Who is to blame: only `server` counts for max_fails. */
  readonly source: 'server' | 'gateway';
  readonly retry: Retry;
  /** The client's status when no other attempt is made. */
  readonly status: 502 | 503 | 504;
};

const RULES: Record<FailureCode, Rule> = {
  connect_refused: { source: 'server', retry: 'yes', status: 502 },
  connect_timeout: { source: 'server', retry: 'yes', status: 504 },
  connect_failed: { source: 'server', retry: 'yes', status: 502 },
  // Out of file descriptors or ports: trying the next server would not help.
  no_socket: { source: 'gateway', retry: 'no', status: 503 },
  closed_early: { source: 'server', retry: 'if-idempotent', status: 502 },
  closed_in_head: { source: 'server', retry: 'if-idempotent', status: 502 },
  response_timeout: { source: 'server', retry: 'if-idempotent', status: 504 },
  send_timeout: { source: 'server', retry: 'if-idempotent', status: 504 },
  // The request was worked on; the answer is unusable. As in nginx, not a reason to do it again.
  bad_response: { source: 'server', retry: 'no', status: 502 },
};

/** A failed attempt as a value. `reason` is for the log and the error body. */
export type Failure = Rule & { readonly code: FailureCode; readonly reason: string };

export function failure(code: FailureCode, reason: string): Failure {
  return { ...RULES[code], code, reason };
}

/** The failure of a connection that never came up, from the system's code. */
export function connectFailure(systemCode: string, server: string): Failure {
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
  return !attempted.sent || (attempted.idempotent && failed.retry === 'if-idempotent');
}
