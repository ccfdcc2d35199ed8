// Where a listener sends all its clients to https: the same host and path. A GET becomes a GET with 301, as everybody knows
// it; others are to be repeated as they were, which only 308 says. What a certificate's authority asks for is served.

import type { RequestHead } from '../message.ts';

const CHALLENGES = '/.well-known/acme-challenge/';
const HTTPS_PORT = 443;

export type Redirect = {
  readonly status: 301 | 308 | 400;
  readonly reason: string;
  /** '' = there is none to go to. */
  readonly location: string;
};

/** `port` 0: requests are served here. Undefined: this one is. */
export function redirectOf(port: number, head: RequestHead): Redirect | undefined {
  if (port === 0 || head.target.startsWith(CHALLENGES)) return undefined;
  const { host, target, method } = head;
  if (host === '')
    return { status: 400, reason: 'no host that https could be asked for', location: '' };
  const status = method === 'GET' || method === 'HEAD' ? 301 : 308;
  const authority = port === HTTPS_PORT ? host : `${host}:${port}`;
  // OPTIONS * is of the server, not of a path.
  const path = target.startsWith('/') ? target : '/';
  return { status, reason: 'https alone', location: `https://${authority}${path}` };
}
