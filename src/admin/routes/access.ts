// Who may use the control API, and for what. With tokens: whoever has one, as far as its role goes.
// Without: whoever reaches the loopback address or has a certificate that is asked for, but not a web
// page in that person's browser, so requests under a foreign host name (DNS rebinding) and writes from
// another origin are refused.

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { HonoRequest } from 'hono';
import { SluiceError } from '../../base/errors.ts';
import { mayAct, type NamedToken, type Role } from '../../model.ts';

/** Who asks, as far as is known. */
export type Caller = {
  /** Of the token; '' = none is needed. */
  readonly token: string;
  readonly role: Role;
};

export type AccessOptions = {
  /** The configured address of the API. */
  readonly host: string;
  readonly tokens: readonly NamedToken[];
  /** A certificate of ours was accepted under the name that was asked for. */
  readonly isTls: boolean;
};

const ANYBODY: Caller = { token: '', role: 'release' };

/** @throws unauthorized, forbidden */
export function checkAccess(request: HonoRequest, options: AccessOptions): Caller {
  const host = request.header('host');
  let caller = ANYBODY;
  if (options.tokens.length > 0) {
    caller = callerOf(request.header('authorization'), options.tokens);
  } else if (!options.isTls && host !== undefined && !isOwnHost(hostName(host), options.host)) {
    // Every browser sends Host; HTTP/1.0 scripts need not.
    throw new SluiceError(
      'forbidden',
      `host "${host}": not an address of the control API; use 127.0.0.1, or set "admin.token"`,
    );
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    checkOrigin(request.header('origin'), host);
  }
  return caller;
}

/** @throws forbidden */
export function checkRole({ token, role }: Caller, needs: Role): void {
  if (mayAct(role, needs)) return;
  throw new SluiceError(
    'forbidden',
    `control API: this needs the role ${needs}, and token "${token}" has ${role}; see admin.tokens`,
    { details: { needs, has: role } },
  );
}

function callerOf(authorization: string | undefined, tokens: readonly NamedToken[]): Caller {
  const given = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1];
  if (given === undefined) {
    throw new SluiceError(
      'unauthorized',
      'control API: the bearer token is missing; send "authorization: Bearer TOKEN"',
    );
  }
  // Digests are of one length and all are looked at, so that every guess takes the same time.
  const asked = digest(given);
  let found: NamedToken | undefined;
  for (const token of tokens) if (timingSafeEqual(asked, digest(token.secret))) found = token;
  if (found !== undefined) return { token: found.name, role: found.role };
  throw new SluiceError('unauthorized', 'control API: the bearer token is wrong');
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
