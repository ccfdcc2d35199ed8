// The format of the access log, as it is configured: `json`, nginx's `combined`, or a template with
// variables by nginx's names. Read into pieces here, so that the configuration can refuse what is wrong
// and the gateway makes lines of the rest (gateway/access-log/line-format.ts).

/** What can stand in a template, and what it is. `http_`, `sent_http_` and `cookie_` go on with a name. */
export const LOG_VARIABLES = {
  remote_addr: 'the address of the client, behind trusted proxies the one that they name',
  remote_user: 'the user of Basic authentication',
  time_local: '`27/Nov/2026:18:47:07 +0000`, in the time zone of the machine',
  time_iso8601: '`2026-11-27T18:47:07+00:00`, as above',
  msec: 'Unix time in seconds, with milliseconds',
  request: 'the request line: method, target and protocol',
  request_method: 'the method',
  request_uri: 'the target, as it came',
  uri: 'its path, as it came',
  args: 'its query, as it came',
  server_protocol: '`HTTP/1.1` or `HTTP/1.0`',
  scheme: '`http` or `https`, of the connection',
  ssl_protocol: '`TLSv1.3` or `TLSv1.2`',
  ssl_cipher: 'the cipher, as OpenSSL names it',
  ssl_server_name:
    'the name that the client asked for (SNI); not known of a session of TLS 1.2 that is resumed',
  ssl_session_reused: '`r`: the session was resumed; `.`: it was not',
  ssl_client_s_dn: "the subject of the client's certificate",
  ssl_client_fingerprint: 'its SHA-256, hex',
  host: 'the host, in lower case and without port',
  content_length: 'Content-Length of the request',
  status: 'that the client got; 499: it left before there was any',
  bytes_sent: 'bytes written to the client: head, framing and body',
  body_bytes_sent: 'of them the body, without framing',
  request_time: 'from the head of the request to the end, seconds with milliseconds',
  request_id: 'the id of the request',
  trace_id: "of the request's trace",
  upstream: 'the upstream',
  upstream_addr: 'every server that was tried, in order, joined by `, `',
  upstream_status: 'what came of each of them',
  upstream_connect_time: 'how long connecting to each took; 0.000: on a kept connection',
  upstream_header_time: 'how long each took to the head of its response',
  upstream_response_time: 'how long each took in all',
  listener: 'the `listen` address that the client came in by',
  result: '`answered`, `cut`, `lost`, `clientGone` or `refused`',
  reason: 'why, where the gateway itself answered or cut',
  pid: 'the worker',
} as const;

export type LogVariable = keyof typeof LOG_VARIABLES;

export type LogPiece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: LogVariable }
  /** A header field of the request or the response, or a cookie; the name in lower case. */
  | { readonly kind: 'http' | 'sent_http' | 'cookie'; readonly name: string };

export type LogFormat = {
  /** default: quotes, backslashes and what is no printable ASCII as `\xHH`, nothing as `-`; json: for JSON. */
  readonly escaping: 'default' | 'json';
  readonly pieces: readonly LogPiece[];
};

const COMBINED =
  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';

const TEMPLATE_LENGTH_MAX = 4096;
/** Other programs' names of the same, and of what is not offered. */
const ALIASES: Readonly<Record<string, LogVariable>> = {
  query_string: 'args',
  document_uri: 'uri',
  remote_address: 'remote_addr',
  time: 'time_iso8601',
  proxy_host: 'upstream',
  upstream_name: 'upstream',
  otel_trace_id: 'trace_id',
};

/** Of `json` and of text alone: no format. `problem`: what is wrong with it, for people. */
export function parseLogFormat(text: string): LogFormat | { readonly problem: string } {
  if (text === 'combined') return parseLogFormat(COMBINED);
  const [, word, rest = ''] = /^escape=(\S*)\s+(.*)$/s.exec(text) ?? [];
  if (word !== undefined && word !== 'default' && word !== 'json')
    return { problem: `has escape=${word}; write escape=json, or leave it out` };
  const template = word === undefined ? text : rest;
  if (!template.includes('$'))
    return { problem: 'is no format; write json, combined, or a template with $variables' };
  if (template.length > TEMPLATE_LENGTH_MAX)
    return { problem: `is longer than ${TEMPLATE_LENGTH_MAX} characters` };
  if (/[\x00-\x1f\x7f]/.test(template.replaceAll('\t', '')))
    return { problem: 'has a line break or a control character; each request is one line' };
  const pieces: LogPiece[] = [];
  let at = 0;
  for (const found of template.matchAll(/\$(?:\{(\w+)\}|(\w+)|)/g)) {
    const [whole, braced, plain] = found;
    const name = braced ?? plain;
    if (name === undefined)
      return { problem: `has a $ with no name behind it (at ${near(found)})` };
    const piece = pieceOf(name);
    if (piece === undefined) return { problem: unknown(name) };
    if (found.index > at) pieces.push({ kind: 'text', text: template.slice(at, found.index) });
    pieces.push(piece);
    at = found.index + whole.length;
  }
  if (at < template.length) pieces.push({ kind: 'text', text: template.slice(at) });
  return { escaping: word === 'json' ? 'json' : 'default', pieces };
}

function pieceOf(name: string): LogPiece | undefined {
  if (isVariable(name)) return { kind: 'variable', name };
  const [, kind, rest = ''] = /^(http|sent_http|cookie)_(\w+)$/.exec(name) ?? [];
  if (kind === 'cookie') return { kind, name: rest };
  if (kind !== 'http' && kind !== 'sent_http') return undefined;
  return { kind, name: rest.toLowerCase().replaceAll('_', '-') };
}

function isVariable(name: string): name is LogVariable {
  return Object.hasOwn(LOG_VARIABLES, name);
}

function unknown(name: string): string {
  const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
  const known = Object.keys(LOG_VARIABLES).map((each) => `$${each}`);
  const hint = alias === undefined ? '' : ` (here it is $${alias})`;
  return `has $${name}, which is not known${hint}; known are ${known.join(', ')}, and $http_NAME, $sent_http_NAME, $cookie_NAME`;
}

function near({ index, input }: RegExpExecArray): string {
  return JSON.stringify(input.slice(index, index + 12));
}
