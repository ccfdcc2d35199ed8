// A request head, from text to meaning: syntax by one linear regular expression, then one pass over
// the fields, then the rules on Host, framing, Expect and Upgrade. Whatever two readers could
// understand in two ways is refused, never repaired.

import { hostOf, isSameAuthority } from '../../host.ts';
import { FieldPass, type FieldRules } from './fields.ts';
import {
  hasWord,
  isWord,
  PLAIN_TOKEN_CLASS,
  parseDigits,
  refuse,
  TEXT_CLASS,
  TOKEN_CLASS,
  tokenList,
} from './grammar.ts';
import { HeadScan, METHOD_BYTES_MAX, targetProblem } from './scan.ts';
import type { HeadLimits, Http1Request, Refusal } from './types.ts';

const LINE = `[${TOKEN_CLASS}]+ [\\x21\\x22\\x24-\\x7e]+ HTTP/1\\.[0-9]\\r\\n`;

/**
 * The head as nearly every client writes it: one space behind the colon, nothing odd in a name.
 * Both expressions are linear: what follows each repetition can never be a part of it.
 */
const PLAIN = new RegExp(
  `^${LINE}(?:[${PLAIN_TOKEN_CLASS}]+: (?![\\t ])[${TEXT_CLASS}]*\\r\\n)*\\r\\n$`,
);
/** Every valid head. */
const VALID = new RegExp(`^${LINE}(?:[${TOKEN_CLASS}]+:[${TEXT_CLASS}]*\\r\\n)*\\r\\n$`);

const pass = new FieldPass();
const PLAIN_RULES: FieldRules = { isRequest: true, underscoresInHeaders: false };
const OTHER_RULES: readonly FieldRules[] = [
  { ...PLAIN_RULES, takesRequestId: true },
  { ...PLAIN_RULES, underscoresInHeaders: true },
  { ...PLAIN_RULES, underscoresInHeaders: true, takesRequestId: true },
];

/**
 * `text` is one head up to and including its empty line, leading empty lines skipped.
 * **Source:** RFC 9112 2 to 6, RFC 9110 5, 7 and 10.1.1; rules 1 to 33 and 43 to 56.
 */
export function parseRequestHead(text: string, limits: HeadLimits): Http1Request | Refusal {
  const isPlain = PLAIN.test(text);
  if (!isPlain && !VALID.test(text)) return refuseSyntax(text, limits);
  const methodEnd = text.indexOf(' ');
  const targetEnd = text.indexOf(' ', methodEnd + 1);
  const method = text.slice(0, methodEnd);
  const rawTarget = text.slice(methodEnd + 1, targetEnd);
  if (
    text.length > limits.headBytesMax ||
    rawTarget.length > limits.uriBytesMax ||
    methodEnd > METHOD_BYTES_MAX ||
    targetProblem(method, rawTarget) !== ''
  ) {
    return refuseSyntax(text, limits);
  }
  // ` HTTP/1.` is eight characters, the digit and CRLF three more.
  const minor = text.charCodeAt(targetEnd + 8) === 0x30 ? 0 : 1;
  pass.read(text, targetEnd + 11, rulesOf(limits), isPlain);
  if (pass.count > limits.fieldsMax) return refuseSyntax(text, limits);

  if (method === 'CONNECT') return refuse(405, 'connect is not allowed');
  if (method === 'TRACE' && !limits.allowTrace) return refuse(405, 'trace is not allowed');

  // Host (rules 11, 24).
  if (pass.hosts > 1) return refuse(400, 'more than one host field');
  if (pass.hosts === 0 && minor === 1) return refuse(400, 'no host field');
  let authority = pass.host;
  let host: string | undefined = authority === '' ? '' : hostOf(authority);
  if (host === undefined) return refuse(400, 'host field is not valid');
  let target = rawTarget;
  if (target.charCodeAt(0) !== 0x2f && target !== '*') {
    const scheme = hasWord(target, 0, 'https:') ? 'https' : 'http';
    const authorityStart = scheme.length + 3;
    const authorityEnd = endOfAuthority(target, authorityStart);
    authority = target.slice(authorityStart, authorityEnd);
    host = hostOf(authority);
    if (host === undefined) return refuse(400, 'authority of the target is not valid');
    if (pass.hosts === 1 && !isSameAuthority(authority, pass.host, scheme)) {
      return refuse(400, 'host field differs from the target');
    }
    target = originForm(target.slice(authorityEnd), method);
  }

  // Message length (rules 25 to 32).
  let framing: Http1Request['framing'] = 'none';
  let contentLength = 0;
  if (pass.transferEncodings > 0) {
    if (minor === 0) return refuse(400, 'transfer-encoding in http/1.0');
    if (pass.contentLengths > 0) return refuse(400, 'content-length and transfer-encoding');
    if (pass.transferEncodings > 1) return refuse(400, 'more than one transfer-encoding field');
    if (!isWord(pass.transferEncoding, 'chunked')) return refuseCoding(pass.transferEncoding);
    framing = 'chunked';
  } else if (pass.contentLengths > 0) {
    if (pass.contentLengths > 1) return refuse(400, 'more than one content-length field');
    contentLength = parseDigits(pass.contentLength);
    if (contentLength === -1) return refuse(400, 'content-length is not a number');
    framing = 'length';
  }
  const hasBody = framing === 'chunked' || contentLength > 0;
  if (hasBody && method === 'TRACE') return refuse(400, 'trace with a body');

  if (!pass.connectionIsValid) return refuse(400, 'connection field is not a list of tokens');
  if (pass.expects > 0 && !isWord(pass.expect, '100-continue')) {
    return refuse(417, 'expectation is not 100-continue');
  }
  return {
    kind: 'request',
    method,
    target,
    rawTarget,
    protocol: minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1',
    host,
    authority,
    minor,
    fields: pass.lines,
    ready: '',
    readyAt: 0,
    forwardedFor: pass.forwardedFor,
    forwardedProto: pass.forwardedProto,
    forwardedHost: pass.forwardedHost,
    requestId: pass.requestIds === 1 ? pass.requestId : '',
    framing,
    contentLength,
    keepAlive: !pass.close && (minor === 1 || pass.keepAlive),
    // Nobody waits for a 100 without a body to send, and HTTP/1.0 does not know it.
    expectContinue: pass.expects > 0 && minor === 1 && hasBody,
    upgrade:
      pass.upgrade !== undefined && pass.upgradeNominated && minor === 1 && !hasBody
        ? upgradeTokens(pass.upgrade)
        : '',
  };
}

/** One object for all heads. */
function rulesOf({ underscoresInHeaders, takesRequestId = false }: HeadLimits): FieldRules {
  if (!underscoresInHeaders && !takesRequestId) return PLAIN_RULES;
  return (
    OTHER_RULES.find(
      (rules) =>
        rules.underscoresInHeaders === underscoresInHeaders &&
        (rules.takesRequestId ?? false) === takesRequestId,
    ) ?? PLAIN_RULES
  );
}

/** The refusal of the first wrong byte, as if the head had come byte by byte. */
function refuseSyntax(text: string, limits: HeadLimits): Refusal {
  return new HeadScan().request(text, limits) ?? refuse(400, 'not exactly one head');
}

/** A coding that we do not know is 501 where the framing would be sound, else 400 (rules 26, 27). */
function refuseCoding(value: string): Refusal {
  const codings = tokenList(value);
  const isKnownProblem =
    codings === undefined ||
    codings.length === 0 ||
    codings.slice(0, -1).includes('chunked') ||
    codings.every((coding) => coding === 'chunked');
  return isKnownProblem
    ? refuse(400, 'transfer-encoding is not exactly chunked')
    : refuse(501, 'transfer coding is not supported');
}

function endOfAuthority(target: string, start: number): number {
  for (let index = start; index < target.length; index += 1) {
    const code = target.charCodeAt(index);
    if (code === 0x2f || code === 0x3f) return index;
  }
  return target.length;
}

/** What stands behind the authority, as the server gets it (RFC 9112 3.2.1 and 3.2.4). */
function originForm(rest: string, method: string): string {
  if (rest === '') return method === 'OPTIONS' ? '*' : '/';
  return rest.startsWith('?') ? `/${rest}` : rest;
}

/**
 * The protocols asked for, lower case. '' as soon as HTTP itself is among them, in any spelling: a
 * tunnel that speaks h2c would carry requests past every rule of this module (rule 51).
 */
export function upgradeTokens(value: string): string {
  const tokens = tokenList(value, true);
  if (tokens === undefined) return '';
  for (const token of tokens) {
    const slash = token.indexOf('/');
    const name = slash === -1 ? token : token.slice(0, slash);
    if (name === 'h2c' || name === 'h2' || name === 'http') return '';
  }
  return tokens.join(', ');
}
