// The alphabet of HTTP/1.1 (RFC 9110 5.6, RFC 9112 2 to 5) and the few questions asked of it. All
// text here is latin1, one character per byte. ASCII only: nothing in this module may use trim(),
// toLowerCase() on unvalidated text, \s or the i flag, which know characters that HTTP does not.

import type { Refusal } from './types.ts';

export const SPACE = 0x20;
export const TAB = 0x09;
export const CR = 0x0d;
export const LF = 0x0a;

/** Bits of CLASS. */
export const TOKEN = 1;
/** 0x21 to 0x7e without `#`. */
export const TARGET = 2;
/** Field values and reason phrases: HTAB, 0x20 to 0x7e, 0x80 to 0xff. */
export const TEXT = 4;
export const DIGIT = 8;

/** What each of the 256 bytes may be part of. */
export const CLASS = new Uint8Array(256);

/** The token characters, as the inside of a regular expression's class. */
export const TOKEN_CLASS = "!#$%&'*+\\-.^_`|~0-9A-Za-z";
/** Names as nearly everybody writes them: nothing in it that a server could fold to `-`. */
export const PLAIN_TOKEN_CLASS = '\\-0-9A-Za-z';
/** The same as TEXT. */
export const TEXT_CLASS = '\\t\\x20-\\x7e\\x80-\\xff';

for (let byte = 0; byte < 256; byte += 1) {
  let bits = 0;
  if (new RegExp(`[${TOKEN_CLASS}]`).test(String.fromCharCode(byte))) bits |= TOKEN;
  if (byte > 0x20 && byte < 0x7f && byte !== 0x23) bits |= TARGET;
  if (byte === TAB || (byte >= 0x20 && byte !== 0x7f)) bits |= TEXT;
  if (byte >= 0x30 && byte <= 0x39) bits |= DIGIT;
  CLASS[byte] = bits;
}

export function isClass(code: number, bits: number): boolean {
  return ((CLASS[code] ?? 0) & bits) !== 0;
}

export function refuse(status: number, reason: string): Refusal {
  return { kind: 'refusal', status, reason };
}

/**
 * True when `text` has `word` at `start`, ignoring ASCII case. `word` is lower case and has letters,
 * digits, `-`, `:` and `/` alone; `text` has no control characters, so that setting bit 5 folds
 * exactly A to Z onto letters of `word`.
 */
export function hasWord(text: string, start: number, word: string): boolean {
  for (let index = 0; index < word.length; index += 1) {
    if ((text.charCodeAt(start + index) | 0x20) !== word.charCodeAt(index)) return false;
  }
  return true;
}

/** True when the whole text is `word`, ignoring ASCII case. */
export function isWord(text: string, word: string): boolean {
  return text.length === word.length && hasWord(text, 0, word);
}

/**
 * The elements of a comma list in ASCII lower case, OWS trimmed, empty ones left out. Undefined
 * when an element is not a token (with `/version` where `withVersion` is set: Upgrade).
 */
export function tokenList(value: string, withVersion = false): string[] | undefined {
  const tokens: string[] = [];
  for (const part of value.split(',')) {
    const token = trimOws(part);
    if (token === '') continue;
    if (!(withVersion ? PROTOCOL : TOKEN_ONLY).test(token)) return undefined;
    // A token is ASCII, so toLowerCase() folds A to Z and nothing else.
    tokens.push(token.toLowerCase());
  }
  return tokens;
}

const TOKEN_ONLY = new RegExp(`^[${TOKEN_CLASS}]+$`);
const PROTOCOL = new RegExp(`^[${TOKEN_CLASS}]+(?:/[${TOKEN_CLASS}]+)?$`);

/** Without the SP and HTAB at both ends; nothing else is white space here (rule 19). */
export function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isOws(text.charCodeAt(start))) start += 1;
  while (end > start && isOws(text.charCodeAt(end - 1))) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

export function isOws(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** The number of 1*DIGIT up to 2^53-1, else -1. Never parseInt: `5a`, `0x5`, `1e3` are no lengths. */
export function parseDigits(text: string): number {
  if (text.length === 0) return -1;
  let value = 0;
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > Number.MAX_SAFE_INTEGER) return -1;
  }
  return value;
}
