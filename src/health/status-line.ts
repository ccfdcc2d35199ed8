// Reads the first line of a server's answer to a probe: pure, bytes in as latin1 text, so that every
// split and every hostile answer can be tested as a table. Headers and body are never read.

/** `more`: not decided yet. `malformed`: cannot become a status line any more. */
export type StatusLine =
  | { readonly kind: 'more' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'status'; readonly status: number };

/** Bytes of a status line, its end included; a server that sends more has not answered. */
export const STATUS_LINE_BYTES_MAX = 8192;

const MORE: StatusLine = { kind: 'more' };
const MALFORMED: StatusLine = { kind: 'malformed' };
const BEGINNING = 'HTTP/1.';
const WHOLE = /^HTTP\/1\.\d ([1-5]\d\d)(?: [^\r\n]*)?\r?\n/;

/** `text`: all that came so far. A bare LF ends the line too, as most servers' readers allow. */
export function readStatusLine(text: string): StatusLine {
  const begun = text.slice(0, BEGINNING.length);
  if (!BEGINNING.startsWith(begun)) return MALFORMED;
  const end = text.indexOf('\n');
  if (end < 0) return text.length < STATUS_LINE_BYTES_MAX ? MORE : MALFORMED;
  const match = end < STATUS_LINE_BYTES_MAX ? WHOLE.exec(text) : null;
  return match === null ? MALFORMED : { kind: 'status', status: Number(match[1]) };
}
