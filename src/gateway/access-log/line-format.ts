// Lines of the access log by a template, as nginx writes them: made once of the configured pieces, then
// called per request. What a client may have sent is escaped, so a line stays one line and its quotes
// stay in pairs. Lines are latin1: one character per byte.
//
// **Source:** ngx_http_log_module (`escape=default` and `json`), and its `combined`.

import type { LogFormat, LogPiece, LogVariable } from '../../model.ts';
import type { AccessLine, AttemptFacts, LineDetails } from '../access-log.ts';
import { cookieValue, fieldValues } from '../field-values.ts';
import { safe } from './json-line.ts';
import { isoLocalTime, localTime } from './local-time.ts';

export type MakeLine = (line: AccessLine, details: LineDetails) => string;

/** undefined: there is none, which is `-`. */
type Read = (line: AccessLine, details: LineDetails) => string | undefined;

export function lineMaker({ escaping, pieces }: LogFormat): MakeLine {
  const parts = pieces.map((piece) => partOf(piece, escaping));
  return (line, details) => {
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : part(line, details);
    return `${text}\n`;
  };
}

function partOf(piece: LogPiece, escaping: LogFormat['escaping']): string | MakeLine {
  if (piece.kind === 'text') return Buffer.from(piece.text, 'utf8').toString('latin1');
  const read = readerOf(piece);
  if (escaping === 'json') return (line, details) => safe(read(line, details) ?? '');
  if (piece.kind === 'variable' && PLAIN.has(piece.name))
    return (line, details) => read(line, details) ?? '-';
  return (line, details) => {
    const value = read(line, details);
    return value === undefined ? '-' : hexEscaped(value);
  };
}

function readerOf(piece: Exclude<LogPiece, { kind: 'text' }>): Read {
  const { name } = piece;
  switch (piece.kind) {
    case 'variable':
      return READERS[piece.name];
    case 'cookie':
      return (_, { request }) => given(cookieValue(request.fields, name));
    case 'http':
      return TAKEN_OUT[name] ?? ((_, { request }) => fieldValues(request.fields, name));
    case 'sent_http':
      return (_, { sentFields }) => fieldValues(sentFields, name);
  }
}

/** Fields that are not among the others, because the gateway says them itself. */
const TAKEN_OUT: Readonly<Record<string, Read>> = {
  host: (_, { request }) => given(request.authority),
  'content-length': contentLength,
  'x-forwarded-for': (_, { request }) => given(request.forwardedFor),
  'x-forwarded-proto': (_, { request }) => given(request.forwardedProto),
  'x-forwarded-host': (_, { request }) => given(request.forwardedHost),
  upgrade: (_, { request }) => given(request.upgrade),
};

const READERS: Readonly<Record<LogVariable, Read>> = {
  remote_addr: ({ client }) => client,
  remote_user: (_, { request }) => userOf(request.fields),
  time_local: () => localTime(Date.now()),
  time_iso8601: () => isoLocalTime(Date.now()),
  msec: () => seconds(Date.now()),
  request: (_, { request }) => `${request.method} ${request.rawTarget} ${request.protocol}`,
  request_method: (_, { request }) => request.method,
  request_uri: (_, { request }) => request.target,
  uri: (_, { request: { target } }) => target.slice(0, mark(target)),
  args: (_, { request: { target } }) => given(target.slice(mark(target) + 1)),
  server_protocol: (_, { request }) => request.protocol,
  scheme: (_, { scheme }) => scheme,
  host: (_, { request }) => given(request.host),
  content_length: contentLength,
  status: statusText,
  bytes_sent: (_, { bytesSent }) => String(bytesSent),
  body_bytes_sent: (_, { bodyBytesSent }) => String(bodyBytesSent),
  request_time: ({ ms }) => seconds(ms),
  request_id: ({ id }) => id,
  trace_id: (_, { traceId }) => given(traceId),
  upstream: ({ upstream }) => given(upstream),
  upstream_addr: ({ servers }) => given(servers.join(', ')),
  upstream_status: each(({ status }) => (status === 0 ? '-' : String(status))),
  upstream_connect_time: each(({ connectMs }) => secondsOr(connectMs)),
  upstream_header_time: each(({ headMs }) => secondsOr(headMs)),
  upstream_response_time: each(({ tookMs }) => seconds(tookMs)),
  listener: ({ listener }) => listener,
  result: ({ result }) => result,
  reason: ({ reason }) => given(reason),
  pid: () => PID,
};

const PID = String(process.pid);

/** Nothing in these is a client's, so nothing needs to be looked for. */
const PLAIN: ReadonlySet<LogVariable> = new Set([
  ...(['remote_addr', 'time_local', 'time_iso8601', 'msec', 'server_protocol', 'scheme'] as const),
  ...(['status', 'bytes_sent', 'body_bytes_sent', 'request_time', 'pid'] as const),
]);

function each(text: (attempt: AttemptFacts) => string): Read {
  return (_, { attempts }) => given(attempts.map(text).join(', '));
}

/** The client has left before there was a response: nginx's 499. */
function statusText({ result }: AccessLine, { status }: LineDetails): string {
  if (status === 0) return result === 'clientGone' ? '499' : '000';
  return String(status);
}

function contentLength(_: AccessLine, { request }: LineDetails): string | undefined {
  return request.framing === 'length' ? String(request.contentLength) : undefined;
}

function given(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function mark(target: string): number {
  const at = target.indexOf('?');
  return at === -1 ? target.length : at;
}

function secondsOr(ms: number | null): string {
  return ms === null ? '-' : seconds(ms);
}

/** 0.005; whole milliseconds. */
function seconds(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  const rest = whole % 1000;
  const digits = rest < 10 ? `00${rest}` : rest < 100 ? `0${rest}` : `${rest}`;
  return `${(whole - rest) / 1000}.${digits}`;
}

/** Without the password. Source: RFC 7617 2. */
function userOf(fields: string): string | undefined {
  const [, word = ''] = /^basic +(\S+)$/i.exec(fieldValues(fields, 'authorization') ?? '') ?? [];
  if (word === '') return undefined;
  const pair = Buffer.from(word, 'base64').toString('latin1');
  const colon = pair.indexOf(':');
  return colon === -1 ? undefined : given(pair.slice(0, colon));
}

const UNSAFE = /["\\\x00-\x1f\x7f-\xff]/;
const UNSAFE_EACH = new RegExp(UNSAFE, 'g');

function hexEscaped(text: string): string {
  return UNSAFE.test(text) ? text.replace(UNSAFE_EACH, hexOf) : text;
}

function hexOf(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
