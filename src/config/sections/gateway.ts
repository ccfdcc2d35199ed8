// The schema of the gateway: limits, timeouts, how requests are passed on.

import { z } from 'zod';
import { parseLogFormat } from '../../model.ts';
import { list, section } from './shapes.ts';
import { choice, duration, integer, onOff, show, size, text } from './values.ts';

const K = 1024;

const wrongKeepalive = ({ input }: { input?: unknown }): string =>
  `${show(input)} is not a number of connections; write one from 0 to 10000, or auto`;

const upstreamKeepalive = z
  .union([z.literal('auto'), z.number()], { error: wrongKeepalive })
  .refine(
    (value) => value === 'auto' || (Number.isInteger(value) && value >= 0 && value <= 10_000),
    { error: wrongKeepalive },
  )
  .prefault('auto')
  .meta({
    description:
      'Idle connections kept per server and worker; 0 = none, `auto` = as many as were in use at once in the last half minute, at least 32. At the limit of open files the oldest idle ones give way.',
    'x-value': '0–10000, auto',
  });

export const limits = section('Bounds on what a client or a server can make the gateway hold.', {
  max_uri_size: size({
    about: 'Request target; beyond it 414.',
    initial: '8k',
    least: 64,
    most: 64 * K,
  }),
  max_head_size: size({
    about: 'Request line and all fields; at least `max_uri_size` + 8k; beyond it 431.',
    initial: '32k',
    least: K,
    most: K * K,
  }),
  max_fields: integer({
    about: 'Field lines in a request head; beyond it 431.',
    initial: 100,
    least: 10,
    most: 1000,
  }),
  client_max_body_size: size({
    about: 'Request body (streamed, and held only by `request_buffering`); beyond it 413.',
    initial: 0,
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
  }),
  client_body_min_rate: size({
    about:
      'Bytes per second that a request body has to come with, over every 10s in which the gateway reads it; slower, 408. Waiting for the server does not count against the client. 0 = no limit, for clients that stream.',
    initial: 240,
    least: 0,
    most: 64 * K * K,
  }),
  max_chunk_ext_size: size({
    about: 'Chunk extensions per chunk.',
    initial: 256,
    least: 1,
    most: 16 * K,
  }),
  max_trailer_size: size({
    about: 'Trailer section of a chunked body.',
    initial: '8k',
    least: 64,
    most: 64 * K,
  }),
  max_response_head_size: size({
    about: 'Status line and fields of a response; beyond it 502.',
    initial: '32k',
    least: K,
    most: K * K,
  }),
  relay_buffer_size: size({
    about: 'Bytes held per direction of an exchange before reading stops.',
    initial: '256k',
    least: 4 * K,
    most: 64 * K * K,
  }),
  max_connections: integer({
    about:
      'Client connections per worker; 0 = about three quarters of the limit of open files. One more gets 503.',
    initial: 0,
    least: 0,
    most: 1_000_000,
  }),
  keepalive_requests: integer({
    about: 'Requests per client connection.',
    initial: 1000,
    least: 1,
    most: 1_000_000_000,
  }),
  upstream_keepalive: upstreamKeepalive,
});

export const timeouts = section('How long the gateway waits for what.', {
  client_header_timeout: duration({
    about: 'First byte of a request to the end of its head, in total; then 408.',
    initial: '10s',
  }),
  client_body_timeout: duration({
    about: 'Between two reads of a request body; then 408.',
    initial: '30s',
  }),
  send_timeout: duration({
    about:
      'No progress in writing to the client; then the connection ends. A client that takes a little within each such time is let be, and holds its server as long as the response is larger than `relay_buffer_size`.',
    initial: '60s',
  }),
  keepalive_timeout: duration({
    about: 'Idle client connection between requests.',
    initial: '75s',
  }),
  lingering_timeout: duration({
    about: 'For what a client still sends after we closed.',
    initial: '5s',
  }),
  connect_timeout: duration({
    about: 'Connecting to a server, a TLS handshake included; then the next server, at last 504.',
    initial: '5s',
  }),
  response_timeout: duration({
    about: 'Request sent in full to the end of the response head; then 504.',
    initial: '60s',
  }),
  read_timeout: duration({
    about: 'Idle time inside a response body; then the response is cut.',
    initial: '60s',
  }),
  upstream_send_timeout: duration({ about: 'No progress in writing to a server.', initial: '60s' }),
  upstream_keepalive_timeout: duration({ about: 'Idle connection to a server.', initial: '60s' }),
  tunnel_timeout: duration({
    about: 'No byte in either direction after an upgrade.',
    initial: '1h',
  }),
});

export const proxy = section('How requests are passed on.', {
  tries: integer({
    about: 'Most attempts of one request; 0 = one per server.',
    initial: 0,
    least: 0,
    most: 1000,
  }),
  tries_timeout: duration({
    about: 'Total time for attempts after the first.',
    initial: '0s',
    least: '0',
  }),
  trusted_proxies: list(
    'Addresses or CIDR blocks whose X-Forwarded-For, -Proto and -Host are believed as far as no client can forge them: docs/gateway.md.',
    text({ about: '', kind: 'CIDR block' }),
  ).prefault([]),
  underscores_in_headers: onOff({
    about: 'Pass fields with `_` in their name; off drops them, as nginx does.',
    initial: 'off',
  }),
  allow_trace: onOff({ about: 'Pass TRACE; off answers 405.', initial: 'off' }),
  ignore_client_abort: choice({
    about:
      "A client that has ended its side before its response begins. It may be gone, or only done with sending. `off`, nginx's default: taken for gone, the attempt ends. `on`: answered. `ask`: after 1s a `100 Continue` asks; where nobody is left, the attempt ends about 1s later (never within a response that has begun; an HTTP/1.0 client cannot be asked, and is answered).",
    initial: 'ask',
    words: ['ask', 'off', 'on'],
  }),
  via: onOff({ about: 'Add a Via field.', initial: 'off' }),
  show_reason: onOff({
    about:
      'Say in `X-Sluice-Reason` why the gateway itself had to answer 404, 502, 503 or 504. It names upstreams, servers and their states: not for the public.',
    initial: 'off',
  }),
  request_id: choice({
    about:
      "Every request has an id: in the access log, in `X-Request-Id` of the answers of 400 and above that the gateway itself gives, and for `sluice why`. `own`: a client's `X-Request-Id` is passed as any other field. `send`: the server gets the gateway's id in `X-Request-Id`, in place of the client's. `trust`: a client's one is taken for it and passed on, where it is 1 to 128 letters, digits and `._~+/=:@-`: [requests](requests.md#ids).",
    initial: 'own',
    words: ['own', 'send', 'trust'],
  }),
  upgrade: list(
    'Protocols that may be upgraded to; never h2c. `[]` = none.',
    text({ about: '', kind: 'protocol name' }),
  ).prefault(['websocket']),
  access_log: z
    .preprocess(
      (value: string | boolean) =>
        value === false ? 'off' : value === true || value === 'on' ? '-' : value,
      text({
        about: '',
        kind: 'path',
        problemOf: accessLogProblem,
      }),
    )
    .prefault('off')
    .meta({
      description: '`off`, `-` (or on) for standard output, or a path relative to this file.',
      'x-value': 'off, -, path',
    }),
  access_log_format: text({
    about:
      "`json`, nginx's `combined`, or a template with variables by nginx's names, such as `$remote_addr $status $request_time`; `escape=json ` before it as in nginx: [access log](gateway.md#other-formats).",
    kind: 'format',
    problemOf: formatProblem,
  }).prefault('json'),
});

function formatProblem(value: string): string {
  if (value === 'json') return '';
  const parsed = parseLogFormat(value);
  const shown = value.length > 60 ? `${value.slice(0, 57)}...` : value;
  return 'problem' in parsed ? `${JSON.stringify(shown)} ${parsed.problem}` : '';
}

/** Words of nginx and others that would become the name of a file. */
function accessLogProblem(value: string): string {
  if (value === '') return 'is empty; write off, - or a path';
  if (/^(stdout|console|\/dev\/stdout)$/i.test(value))
    return `"${value}" is standard output; write - for it`;
  if (/^(syslog|journald?|stderr|none|no|json|yes)(:|$)/i.test(value))
    return `"${value}" is not offered; write off, - (standard output) or a path`;
  const path = /^\S+/.exec(value)?.[0] ?? '';
  // A path with blanks of its own is rare; a format behind a path is nginx's way.
  return /^\S+\s+(\w+$|\w+\s+\w+=|\w+=)/.test(value)
    ? `"${value}" has a format or a buffer behind the path; write ${path}, and the format in access_log_format`
    : '';
}
