// The cookie of a session: `sluice-<gateway>=<id>.<began>.<seen>.<signature>`. Cookies do not know ports, so
// the gateway's mark in the name keeps two on one host, or behind two tunnels, from taking each other's.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const ID_BYTES = 32;

export type Session = {
  readonly id: string;
  /** Of the login, and of what was asked last; wall clock, s. */
  readonly beganS: number;
  readonly seenS: number;
  /** What only a page of our own origin can read. */
  readonly csrf: string;
};

/** `__Host-`: browsers take it only from us, over TLS and for this host alone. */
export function cookieName(key: Buffer, isTls: boolean): string {
  const mark = createHmac('sha256', key).update('name').digest('hex').slice(0, 8);
  return `${isTls ? '__Host-' : ''}sluice-${mark}`;
}

/** Sessions of a token end with it: its name and its secret are in the key. */
export function tokenKey(key: Buffer, token: { readonly name: string; readonly secret: string }) {
  return createHmac('sha256', key)
    .update(JSON.stringify([token.name, token.secret]))
    .digest();
}

export function newSession(key: Buffer, nowS: number): Session {
  const id = randomBytes(ID_BYTES).toString('base64url');
  return { id, beganS: nowS, seenS: nowS, csrf: sign(key, `csrf ${id}`) };
}

export function writeSession(key: Buffer, { id, beganS, seenS }: Session): string {
  return `${id}.${beganS}.${seenS}.${sign(key, `cookie ${id} ${beganS} ${seenS}`)}`;
}

/** Undefined: it is not signed with this key. */
export function readSession(key: Buffer, value: string): Session | undefined {
  const match = /^([\w-]{43})\.(\d{1,12})\.(\d{1,12})\.([\w-]{43})$/.exec(value);
  if (match === null) return undefined;
  const [, id = '', began = '', seen = '', signature = ''] = match;
  if (!isSame(signature, sign(key, `cookie ${id} ${began} ${seen}`))) return undefined;
  return { id, beganS: Number(began), seenS: Number(seen), csrf: sign(key, `csrf ${id}`) };
}

/** In constant time for texts of one length. */
export function isSame(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  return first.length === second.length && timingSafeEqual(first, second);
}

/** The values of this name; a browser may send several, of other paths. */
export function cookieValues(header: string | undefined, name: string): readonly string[] {
  return (header ?? '').split(';').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at >= 0 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : [];
  });
}

export function setCookie(options: {
  readonly name: string;
  readonly value: string;
  readonly maxAgeS: number;
  readonly isTls: boolean;
}): string {
  const { name, value, maxAgeS, isTls } = options;
  const secure = isTls ? '; Secure' : '';
  return `${name}=${value}; Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict${secure}`;
}

function sign(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}
