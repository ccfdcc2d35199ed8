// Who may use the control API, and for what. With tokens: whoever has one, or has logged in with one, as far
// as its role goes. Without: whoever reaches the loopback address or has a certificate that is asked for, but not a web
// page in that person's browser, so requests under a foreign host name (DNS rebinding) and writes from
// another origin are refused.

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { HonoRequest } from 'hono';
import { SluiceError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { mayAct, type NamedToken, type Role } from '../../model.ts';
import { CSRF_HEADER, type SessionDocument } from '../contract.ts';
import { isSame, LoginLimit, type Session, Sessions, sessionKey } from './sessions.ts';

/** Who asks, as far as is known. */
export type Caller = {
  /** Of the token; '' = none is needed, or nobody is known. */
  readonly token: string;
  /** '' = nobody is logged in; only routes for anybody see such a caller. */
  readonly role: Role | '';
  /** As it was then. */
  readonly entry?: NamedToken;
  readonly session?: Session;
  /** For the answer: the cookie as it is to be from now on. */
  readonly cookie?: string;
};

export type AccessOptions = {
  /** The configured address of the API. */
  readonly host: string;
  readonly tokens: readonly NamedToken[];
  /** A certificate of ours was accepted under the name that was asked for. */
  readonly isTls: boolean;
  /** Where the key of sessions is kept; '' = they end with the process. */
  readonly sessionKeyFile: string;
  readonly log: Log;
};

const ANYBODY: Caller = { token: '', role: 'release' };
export const NOBODY: Caller = { token: '', role: '' };
/** So often it is looked whether those who follow a stream still may, ms. */
const SWEEP_MS = 10_000;

type Follower = { readonly caller: Caller; readonly end: () => void };

export class Access {
  readonly #options: AccessOptions;
  #opened: Sessions | undefined;
  readonly #limit = new LoginLimit();
  readonly #followers = new Set<Follower>();
  #tokens: readonly NamedToken[];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#tokens = options.tokens;
  }

  /** Without tokens there are none, and no file for their key either. */
  get #sessions(): Sessions {
    const { sessionKeyFile, isTls, log } = this.#options;
    this.#opened ??= new Sessions({ key: sessionKey(sessionKeyFile, log), isTls });
    return this.#opened;
  }

  /** From now on these count. */
  useTokens(tokens: readonly NamedToken[]): void {
    this.#tokens = tokens;
    this.#sweep();
  }

  /** Whether a page of ours asks, or none. @throws forbidden */
  checkPage(request: HonoRequest): void {
    const { isTls, host: configured } = this.#options;
    const host = request.header('host');
    const isOpen = this.#tokens.length === 0 && !isTls;
    // Every browser sends Host; HTTP/1.0 scripts need not.
    if (isOpen && host !== undefined && !isOwnHost(hostName(host), configured)) {
      throw new SluiceError(
        'forbidden',
        `host "${host}": not an address of the control API; use 127.0.0.1, or set "admin.token"`,
      );
    }
    if (isChange(request)) checkOrigin(request.header('origin'), host);
  }

  /** A bearer token counts where there is one, and the cookie does not then. @throws unauthorized, forbidden */
  callerOf(request: HonoRequest): Caller {
    if (this.#tokens.length === 0) return ANYBODY;
    const authorization = request.header('authorization');
    if (authorization !== undefined) return this.#bearer(authorization);
    const found = this.#sessions.find(request.header('cookie'), this.#tokens);
    if (found === undefined) {
      throw new SluiceError(
        'unauthorized',
        'control API: the bearer token is missing; send "authorization: Bearer TOKEN", or log in at /ui/',
      );
    }
    const { session, token } = found;
    if (isChange(request) && !isSame(request.header(CSRF_HEADER) ?? '', session.csrf)) {
      throw new SluiceError(
        'forbidden',
        `control API: with a cookie this needs the header ${CSRF_HEADER}; GET /api/session says its value`,
      );
    }
    return { token: token.name, role: token.role, entry: token, ...this.#sessions.seen(found) };
  }

  /** The session of a new login; `from` is the client's address. @throws unauthorized, too_many */
  login(secret: string, from: string): Caller {
    if (this.#tokens.length === 0) return ANYBODY;
    this.#limit.check(from);
    const token = this.#find(secret);
    if (token === undefined) {
      this.#limit.failed(from);
      throw new SluiceError('unauthorized', 'login: there is no such token');
    }
    this.#limit.succeeded(from);
    return { token: token.name, role: token.role, entry: token, ...this.#sessions.open(token) };
  }

  /** With the cookie that takes the browser's away. */
  logout({ session }: Caller): Caller {
    if (session === undefined) return this.#tokens.length === 0 ? ANYBODY : NOBODY;
    const cookie = this.#sessions.end(session);
    this.#sweep();
    return { ...NOBODY, cookie };
  }

  describe({ token, role, session }: Caller): SessionDocument {
    return {
      ...{ required: this.#tokens.length > 0, name: token, role, csrf: session?.csrf ?? '' },
      untilMs: session === undefined ? 0 : this.#sessions.untilS(session) * 1000,
    };
  }

  /** Calls `end` when the caller may not look any more; the function that it returns takes that back. */
  follow(caller: Caller, end: () => void): () => void {
    const follower = { caller, end };
    this.#followers.add(follower);
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) this.close();
    };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    for (const { caller, end } of [...this.#followers]) if (!this.#mayFollow(caller)) end();
  }

  #mayFollow({ entry, session }: Caller): boolean {
    if (entry === undefined) return this.#tokens.length === 0;
    const isKnown = this.#tokens.some(
      ({ name, secret, role }) =>
        name === entry.name && secret === entry.secret && role === entry.role,
    );
    return isKnown && (session === undefined || this.#sessions.isYoung(session));
  }

  #bearer(authorization: string): Caller {
    const given = /^Bearer +(.+)$/i.exec(authorization)?.[1];
    if (given === undefined) {
      throw new SluiceError(
        'unauthorized',
        'control API: the bearer token is missing; send "authorization: Bearer TOKEN"',
      );
    }
    const token = this.#find(given);
    if (token !== undefined) return { token: token.name, role: token.role, entry: token };
    throw new SluiceError('unauthorized', 'control API: the bearer token is wrong');
  }

  /** Digests are of one length and all are looked at, so that every guess takes the same time. */
  #find(secret: string): NamedToken | undefined {
    const asked = digest(secret);
    let found: NamedToken | undefined;
    for (const token of this.#tokens) {
      if (timingSafeEqual(asked, digest(token.secret))) found = token;
    }
    return found;
  }
}

/** @throws forbidden */
export function checkRole({ token, role }: Caller, needs: Role): void {
  if (role !== '' && mayAct(role, needs)) return;
  throw new SluiceError(
    'forbidden',
    `control API: this needs the role ${needs}, and token "${token}" has ${role}; see admin.tokens`,
    { details: { needs, has: role } },
  );
}

function isChange({ method }: HonoRequest): boolean {
  return method !== 'GET' && method !== 'HEAD';
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
