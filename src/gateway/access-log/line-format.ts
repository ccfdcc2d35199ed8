// Lines of the access log by a template, as nginx writes them: made once of the configured pieces, then
// called per request. What a client may have sent is escaped, so a line stays one line and its quotes
// stay in pairs. Lines are latin1: one character per byte.
//
// **Source:** ngx_http_log_module (`escape=default` and `json`), and its `combined`.

import type { LogFormat, LogPiece, LogVariable } from '../../model.ts';
import type { AccessLine, AttemptFacts } from '../access-log.ts';
import { cookieValue, FieldScan } from '../field-values.ts';
import type { TlsFacts } from '../transport.ts';
import { JSON_STYLE, writeId } from './json-line.ts';
import type { LineBuffer } from './line-buffer.ts';
import { type LineStyle, lineWriter, type Part, type Read, type Write } from './line-parts.ts';
import { isoLocalTime, localTime } from './local-time.ts';

const NGINX_STYLE: LineStyle = { escapes: hexEscaped, none: '-' };

/** Makes the lines of one log. */
export function templateWriter({ escaping, pieces }: LogFormat): Write {
  const asked = new FieldScan();
  const sent = new FieldScan();
  const parts = pieces.flatMap((piece) => partsOf(piece, asked, sent));
  const scan: Write = ({ request, sentFields }) => {
    asked.read(request.fields);
    if (!sent.isEmpty) sent.read(sentFields);
  };
  const first: Part[] = asked.isEmpty && sent.isEmpty ? [] : [{ kind: 'write', write: scan }];
  return lineWriter([...first, ...parts], escaping === 'json' ? JSON_STYLE : NGINX_STYLE);
}

function partsOf(piece: LogPiece, asked: FieldScan, sent: FieldScan): readonly Part[] {
  switch (piece.kind) {
    case 'text':
      return [{ kind: 'text', text: Buffer.from(piece.text, 'utf8').toString('latin1') }];
    case 'variable':
      return piece.name === 'remote_user' ? [remoteUser(asked)] : VARIABLES[piece.name];
    case 'cookie':
      return [each(({ request }) => given(cookieValue(request.fields, piece.name)))];
    case 'http':
      return [TAKEN_OUT[piece.name] ?? httpField(asked, piece.name)];
    case 'sent_http':
      return [httpField(sent, piece.name)];
  }
}

/** A browser says what it is with each request, and the same. */
function httpField(scan: FieldScan, name: string): Part {
  const place = scan.add(name);
  return { kind: name === 'user-agent' ? 'client' : 'each', read: () => scan.valueAt(place) };
}

/** Fields that are not among the others, because the gateway says them itself. */
const TAKEN_OUT: Readonly<Record<string, Part>> = {
  host: { kind: 'client', read: ({ request }) => given(request.authority) },
  'content-length': each(contentLength),
  'x-forwarded-for': each(({ request }) => given(request.forwardedFor)),
  'x-forwarded-proto': each(({ request }) => given(request.forwardedProto)),
  'x-forwarded-host': each(({ request }) => given(request.forwardedHost)),
  upgrade: each(({ request }) => given(request.upgrade)),
};

const PID = String(process.pid);
const SPACE: Part = { kind: 'text', text: ' ' };

/** What is plain has nothing of a client's. */
const VARIABLES: Readonly<Record<Exclude<LogVariable, 'remote_user'>, readonly Part[]>> = {
  remote_addr: [{ kind: 'client', isPlain: true, read: ({ client }) => client }],
  time_local: [written((_, into, wallMs) => into.text(localTime(wallMs)))],
  time_iso8601: [written((_, into, wallMs) => into.text(isoLocalTime(wallMs)))],
  msec: [written((_, into, wallMs) => writeSeconds(into, wallMs))],
  request: [
    each(({ request }) => request.method),
    ...[SPACE, each(({ request }) => request.rawTarget), SPACE],
    { kind: 'each', isPlain: true, read: ({ request }) => request.protocol },
  ],
  request_method: [each(({ request }) => request.method)],
  request_uri: [each(({ request }) => request.target)],
  uri: [each(({ request: { target } }) => target.slice(0, mark(target)))],
  args: [each(({ request: { target } }) => given(target.slice(mark(target) + 1)))],
  server_protocol: [{ kind: 'client', isPlain: true, read: ({ request }) => request.protocol }],
  scheme: [{ kind: 'client', isPlain: true, read: ({ scheme }) => scheme }],
  ssl_protocol: [ofTls((tls) => tls.version)],
  ssl_cipher: [ofTls((tls) => tls.cipher)],
  ssl_server_name: [{ kind: 'client', read: ({ connection }) => given(connection.serverName) }],
  ssl_session_reused: [ofTls((tls) => (tls.isResumed ? 'r' : '.'))],
  ssl_client_s_dn: [ofTls(({ client }) => client?.subject ?? '')],
  ssl_client_fingerprint: [ofTls(({ client }) => client?.fingerprint ?? '')],
  host: [{ kind: 'client', read: ({ request }) => given(request.host) }],
  content_length: [each(contentLength)],
  status: [written(writeStatus)],
  bytes_sent: [written(({ bytesSent }, into) => into.digits(bytesSent))],
  body_bytes_sent: [written(({ bodyBytesSent }, into) => into.digits(bodyBytesSent))],
  request_time: [written(({ ms }, into) => writeSeconds(into, ms))],
  request_id: [written(writeId)],
  trace_id: [each(({ traceId }) => given(traceId))],
  upstream: [{ kind: 'server', read: ({ upstream }) => given(upstream) }],
  upstream_addr: [
    { kind: 'server', isServer: true, read: ({ servers }) => given(servers.join(', ')) },
  ],
  upstream_status: [ofAttempts(({ status }) => (status === 0 ? '-' : String(status)))],
  upstream_connect_time: [ofAttempts(({ connectMs }) => secondsOr(connectMs))],
  upstream_header_time: [ofAttempts(({ headMs }) => secondsOr(headMs))],
  upstream_response_time: [ofAttempts(({ tookMs }) => seconds(tookMs))],
  listener: [{ kind: 'client', read: ({ listener }) => listener }],
  result: [{ kind: 'server', read: ({ result }) => result }],
  reason: [{ kind: 'server', read: ({ reason }) => given(reason) }],
  pid: [{ kind: 'client', isPlain: true, read: () => PID }],
};

function ofTls(text: (tls: TlsFacts) => string): Part {
  return {
    kind: 'client',
    read: ({ connection: { tls } }) => (tls === undefined ? undefined : given(text(tls))),
  };
}

function each(read: Read): Part {
  return { kind: 'each', read };
}

function written(write: Write): Part {
  return { kind: 'write', write };
}

function remoteUser(asked: FieldScan): Part {
  const place = asked.add('authorization');
  return each(() => userOf(asked.valueAt(place)));
}

function ofAttempts(text: (attempt: AttemptFacts) => string): Part {
  return {
    kind: 'each',
    isPlain: true,
    read: ({ attempts }) => {
      const [first] = attempts;
      if (first === undefined) return undefined;
      return attempts.length === 1 ? text(first) : attempts.map(text).join(', ');
    },
  };
}

/** The client has left before there was a response: nginx's 499. */
function writeStatus({ statusOrRefusal: status, result }: AccessLine, into: LineBuffer): void {
  if (status === 0) into.text(result === 'clientGone' ? '499' : '000');
  else into.digits(status);
}

function contentLength({ request }: AccessLine): string | undefined {
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

/** The same, without a text in between. */
function writeSeconds(into: LineBuffer, ms: number): void {
  const whole = Math.max(0, Math.round(ms));
  const second = Math.floor(whole / 1000);
  into.digits(second);
  into.text('.');
  into.digits(whole - second * 1000, 3);
}

/** Without the password. Source: RFC 7617 2. */
function userOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [, word = ''] = /^basic +(\S+)$/i.exec(authorization) ?? [];
  if (word === '') return undefined;
  const pair = Buffer.from(word, 'base64').toString('latin1');
  const colon = pair.indexOf(':');
  return colon === -1 ? undefined : given(pair.slice(0, colon));
}

const UNSAFE_EACH = /["\\\x00-\x1f\x7f-\xff]/g;

function hexEscaped(text: string): string {
  return text.replace(UNSAFE_EACH, hexOf);
}

function hexOf(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
