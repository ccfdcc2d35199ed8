// What a request line of Consul's HTTP API says: the path decoded and cleaned as Consul does it, the
// query as Go parses it. Pure. A target is refused (400), redirected (301) or parsed.

import { isUtf8 } from 'node:buffer';

export type Target =
  /** `why` is empty where Consul says nothing. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'moved'; readonly path: string; readonly rawQuery: string }
  | {
      readonly kind: 'path';
      readonly path: string;
      readonly query: Query;
      readonly rawQuery: string;
    };

const NOT_UTF8 = 'The path is not UTF-8, and keys of this registry are; encode it as UTF-8';

/** Parameters by name, each with its values in order. */
export type Query = ReadonlyMap<string, readonly string[]>;

/** Letters, marks, numbers, punctuation, symbols and the blank: Go's unicode.IsPrint. */
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/** Printable ASCII without escapes: it is what it says. */
const PLAIN_PATH = /^[ -$&-~]*$/;

export function parseTarget(url: string): Target {
  // Absolute form: the authority is not ours to judge, as in Go.
  const target = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '');
  const mark = target.indexOf('?');
  const rawPath = mark === -1 ? target : target.slice(0, mark);
  const rawQuery = mark === -1 ? '' : target.slice(mark + 1);
  const path = PLAIN_PATH.test(rawPath) ? rawPath : decodePath(rawPath);
  if (typeof path !== 'string') return path;
  const clean = cleanPath(path);
  if (clean !== path) return { kind: 'moved', path: clean, rawQuery };
  const query = parseQuery(rawQuery);
  return query === undefined
    ? { kind: 'refused', why: '' }
    : { kind: 'path', path, query, rawQuery };
}

function decodePath(rawPath: string): string | Target {
  const bytes = percentDecode(rawPath);
  if (bytes === undefined) return { kind: 'refused', why: '' };
  // Keys are texts here. To fold such bytes into U+FFFD would make one record of different keys.
  if (!isUtf8(bytes)) return { kind: 'refused', why: NOT_UTF8 };
  const path = bytes.toString();
  return UNPRINTABLE.test(path) ? { kind: 'refused', why: '' } : path;
}

/** Resolves `//`, `/./` and `/../`; a final slash stays. */
function cleanPath(path: string): string {
  if (path === '') return '/';
  if (!path.includes('//') && !path.includes('/.') && path.startsWith('/')) return path;
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  const clean = `/${segments.join('/')}`;
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}

/** The bytes of a percent-encoded text. Undefined: malformed. */
function percentDecode(text: string): Buffer | undefined {
  if (!text.includes('%')) return Buffer.from(text, 'latin1');
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  const bytes = text.replace(/%(..)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1');
}

/** A path and a query as the Location of a redirect. */
export function locationOf(path: string, rawQuery: string): string {
  const query = rawQuery === '' ? '' : `?${rawQuery}`;
  return encodePath(path) + query;
}

function encodePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-_.~$&+,/:;=@]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}

const NO_PARAMETERS: Query = new Map();

/** Undefined when a pair is malformed: to leave out a `cas` would overwrite what it protects. */
function parseQuery(text: string): Query | undefined {
  if (text === '') return NO_PARAMETERS;
  const query = new Map<string, string[]>();
  for (const pair of text.split(/[&;]/)) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = queryDecode(equals === -1 ? pair : pair.slice(0, equals));
    const value = equals === -1 ? '' : queryDecode(pair.slice(equals + 1));
    if (name === undefined || value === undefined) return undefined;
    const values = query.get(name);
    if (values === undefined) query.set(name, [value]);
    else values.push(value);
  }
  return query;
}

function queryDecode(text: string): string | undefined {
  return percentDecode(text.replaceAll('+', ' '))?.toString();
}

/** The first value of a parameter, '' when there is none. */
export function parameter(query: Query, name: string): string {
  return query.get(name)?.[0] ?? '';
}

/** The query as Go's url.Values.Encode writes it: sorted by name. */
export function encodeQuery(query: Query): string {
  const pairs: string[] = [];
  for (const name of [...query.keys()].sort()) {
    for (const value of query.get(name) ?? [])
      pairs.push(`${encodeParameter(name)}=${encodeParameter(value)}`);
  }
  return pairs.join('&');
}

function encodeParameter(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

const GO_UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go counts nanoseconds in 64 bits with a sign. */
const GO_DURATION_MAX_MS = 2 ** 63 / 1e6;

/** Milliseconds of a duration as Go writes it (`1m30s`, `-5s`, `0`); undefined when it is none. */
export function parseGoDuration(text: string): number | undefined {
  const match = /^([-+]?)(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/.exec(text);
  if (match === null) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(number) * (GO_UNIT_MS[unit ?? ''] ?? 0);
  }
  if (total >= GO_DURATION_MAX_MS) return undefined;
  return match[1] === '-' ? -total : total;
}

const UINT64_MAX = 2n ** 64n - 1n;

/** The text of an unsigned 64-bit number without leading zeros, or Go's complaint about it. */
export function parseUint64(text: string): { readonly value: string } | { readonly error: string } {
  const parsing = `strconv.ParseUint: parsing ${JSON.stringify(text)}:`;
  if (!/^\d+$/.test(text)) return { error: `${parsing} invalid syntax` };
  const value = BigInt(text);
  if (value > UINT64_MAX) return { error: `${parsing} value out of range` };
  return { value: value.toString() };
}
