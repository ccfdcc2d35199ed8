// A response head, from text to meaning. As strict as for requests: whatever is wrong is 502, and
// the connection it came from must not be used again.

import { FieldPass } from './fields.ts';
import {
  isWord,
  PLAIN_TOKEN_CLASS,
  parseDigits,
  refuse,
  TEXT_CLASS,
  TOKEN_CLASS,
  trimOws,
} from './grammar.ts';
import { upgradeTokens } from './request-head.ts';
import { HeadScan, RESPONSE_FIELDS_MAX } from './scan.ts';
import type { Framing, Http1Response, Refusal } from './types.ts';

const LINE = `HTTP/1\\.[01] [1-5][0-9]{2}(?: [${TEXT_CLASS}]*)?\\r\\n`;

/** As in request-head.ts: the usual spelling, and every valid one; both linear. */
const PLAIN = new RegExp(
  `^${LINE}(?:[${PLAIN_TOKEN_CLASS}]+: (?![\\t ])[${TEXT_CLASS}]*\\r\\n)*\\r\\n$`,
);
const VALID = new RegExp(`^${LINE}(?:[${TOKEN_CLASS}]+:[${TEXT_CLASS}]*\\r\\n)*\\r\\n$`);

const pass = new FieldPass();
const RULES = { isRequest: false, underscoresInHeaders: true };

/**
 * `text` is one head up to and including its empty line; `requestMethod` decides about the body.
 * **Source:** RFC 9112 4 and 6.3; rules 57 to 63.
 */
export function parseResponseHead(
  text: string,
  requestMethod: string,
  headBytesMax: number,
): Http1Response | Refusal {
  const isPlain = PLAIN.test(text);
  if ((!isPlain && !VALID.test(text)) || text.length > headBytesMax) {
    return refuseSyntax(text, headBytesMax);
  }
  // `HTTP/1.x 200` is twelve characters.
  const minor = text.charCodeAt(7) === 0x30 ? 0 : 1;
  const status = parseDigits(text.slice(9, 12));
  const lineEnd = text.indexOf('\r', 12);
  const reason = lineEnd > 13 ? trimOws(text.slice(13, lineEnd)) : '';
  pass.read(text, lineEnd + 2, RULES, isPlain);
  if (pass.count > RESPONSE_FIELDS_MAX) return refuseSyntax(text, headBytesMax);

  let framing: Framing = 'none';
  let contentLength = -1;
  let keepAlive = !pass.close && pass.connectionIsValid && (minor === 1 || pass.keepAlive);
  if (status < 200 || status === 204) {
    // No body, whatever the fields say (rule 62). A server that announces one all the same may well
    // send it: with a later response on the same connection nobody could tell them apart.
    if (status === 204 && announcesBody()) keepAlive = false;
    if (status === 101) {
      keepAlive = false;
      if (pass.upgrade === undefined) return refuse(502, '101 without an upgrade field');
    }
  } else {
    const hasBody = status !== 304 && requestMethod !== 'HEAD';
    if (pass.transferEncodings > 0) {
      const problem = transferEncodingProblem(minor);
      if (problem !== '') return refuse(502, problem);
      if (hasBody) framing = 'chunked';
    } else if (pass.contentLengths > 0) {
      contentLength = sameLength(pass.contentLength);
      if (contentLength === -1) return refuse(502, 'content-length is not one number');
      if (hasBody) framing = 'length';
    } else if (hasBody) {
      framing = 'close';
      keepAlive = false;
    }
  }
  return {
    kind: 'response',
    status,
    reason,
    minor,
    fields: pass.lines,
    ready: '',
    readyHead: 0,
    framing,
    contentLength,
    keepAlive,
    keepAliveSeconds: pass.keepAliveValue === '' ? -1 : timeoutOf(pass.keepAliveValue),
    upgrade: pass.upgrade === undefined ? '' : upgradeTokens(pass.upgrade),
  };
}

function refuseSyntax(text: string, headBytesMax: number): Refusal {
  return new HeadScan().response(text, headBytesMax) ?? refuse(502, 'not exactly one head');
}

function announcesBody(): boolean {
  return (
    pass.transferEncodings > 0 || (pass.contentLengths > 0 && sameLength(pass.contentLength) !== 0)
  );
}

/**
 * HTTP/1.0 with Transfer-Encoding has faulty framing (RFC 9112 6.1): whether the sender, or a relay
 * before it, meant the coding or the end of the connection cannot be known. 502 is the answer that
 * shows no client a body cut at the wrong place.
 */
function transferEncodingProblem(minor: 0 | 1): string {
  if (minor === 0) return 'transfer-encoding in http/1.0';
  if (pass.contentLengths > 0) return 'content-length and transfer-encoding';
  return pass.transferEncodings === 1 && isWord(pass.transferEncoding, 'chunked')
    ? ''
    : 'transfer-encoding is not exactly chunked';
}

/** The number, once or repeated in the same spelling (rule 59); else -1. */
function sameLength(value: string): number {
  if (!value.includes(',')) return parseDigits(value);
  const [first = '', ...others] = value.split(',').map(trimOws);
  return others.every((other) => other === first) ? parseDigits(first) : -1;
}

/** Seconds of a Keep-Alive's `timeout`; -1 = it names none. */
export function timeoutOf(value: string): number {
  const match = /(?:^|[,; \t])[Tt]imeout=([0-9]{1,6})(?![0-9])/.exec(value);
  return match === null ? -1 : parseDigits(match[1] ?? '');
}
