// Who may use the control API. With a token: whoever has it. Without: whoever reaches the loopback
// address, but not a web page in that person's browser, so requests under a foreign host name (DNS
// rebinding) and writes from another origin are refused.

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { HonoRequest } from 'hono';
import { SluiceError } from '../../base/errors.ts';

/** `host` is the configured address of the API. @throws unauthorized, forbidden */
export function checkAccess(
  request: HonoRequest,
  options: { readonly host: string; readonly token: string },
): void {
  const host = request.header('host');
  if (options.token !== '') checkToken(request.header('authorization'), options.token);
  // Every browser sends Host; HTTP/1.0 scripts need not.
  else if (host !== undefined && !isOwnHost(hostName(host), options.host)) {
    throw new SluiceError(
      'forbidden',
      `host "${host}": not an address of the control API; use 127.0.0.1, or set "admin.token"`,
    );
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    checkOrigin(request.header('origin'), host);
  }
}

function checkToken(authorization: string | undefined, token: string): void {
  const given = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1];
  // Digests are of one length, so that the comparison takes the same time for every guess.
  if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return;
  throw new SluiceError(
    'unauthorized',
    given === undefined
      ? 'control API: the bearer token is missing; send "authorization: Bearer TOKEN"'
      : 'control API: the bearer token is wrong',
  );
}

function checkOrigin(origin: string | undefined, host: string | undefined): void {
  if (origin === undefined) return;
  if (host !== undefined && URL.canParse(origin) && new URL(origin).host === host) return;
  throw new SluiceError('forbidden', `origin "${origin}": may not change anything here`);
}

function isOwnHost(name: string, configured: string): boolean {
  if (name === configured || name === 'localhost' || name.endsWith('.localhost')) return true;
  if (name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))) return true;
  // Rebinding needs a name; on a wildcard address every literal address may be ours.
  return (configured === '0.0.0.0' || configured === '::') && isIP(name) !== 0;
}

/** `name:port` or `[v6]:port` without the port, lower case. */
function hostName(host: string): string {
  const match = /^\[([^\]]*)\](?::\d*)?$|^([^:]*)(?::\d*)?$/.exec(host);
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase();
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
