// The file's shape: every key, its default and its sentence of documentation. The only source of
// defaults, of docs/config.md and of the JSON Schema. Rules between keys are in rules.ts; the
// shape that the program uses is in types.ts, and build.ts leads from here to there.

import { z } from 'zod';
import {
  address,
  choice,
  duration,
  integer,
  listenAddress,
  onOff,
  show,
  size,
  text,
} from './values.ts';

const K = 1024;

/** A map of known keys. No value (`limits:` with nothing under it) means all defaults. */
function section<Shape extends z.core.$ZodLooseShape>(about: string, shape: Shape) {
  const object = z.strictObject(shape, {
    // For unknown keys this lists what is known: problems.ts makes one problem per key from it.
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? Object.keys(shape).join(' ')
        : `${show(issue.input)} where a map of keys belongs; write lines like "key: value" under it`,
  });
  return z
    .preprocess((value) => value ?? {}, object)
    .meta({ description: about, 'x-short': 'null' });
}

/** A list; one value alone is a list of one. */
function list<Item extends z.ZodType>(about: string, item: Item, least = 0) {
  const wrong = ({ input }: { input?: unknown }): string =>
    `${show(input)} where a list belongs; write [a, b] or lines that begin with "- "`;
  const array = z
    .array(item, { error: wrong })
    .refine((items) => items.length >= least, { error: 'is empty; write at least one' });
  return z
    .preprocess((value) => (isSingle(value) ? [value] : value), array)
    .meta({ description: about, 'x-short': 'string' });
}

function isSingle(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number';
}

function record<Value extends z.ZodType>(about: string, value: Value) {
  return z
    .record(z.string(), value, {
      error: ({ input }) =>
        `${show(input)} where a map of names belongs; write "name:" lines under it`,
    })
    .meta({ description: about });
}

const printable = (value: string): string =>
  /^[\x21-\x7e]+$/.test(value)
    ? ''
    : 'is empty or holds blanks or non-ASCII characters; remove them';

const folder = (about: string, initial: string) =>
  text({
    about,
    kind: 'path',
    problemOf: (value) => (value === '' ? 'is empty; write a folder' : ''),
  }).prefault(initial);

const secret = (about: string) =>
  text({
    about: `${about} \`env:NAME\` reads an environment variable, \`file:/path\` a file's first line.`,
    kind: 'secret',
    problemOf: (value) => (/^(file:.+|[\x21-\x7e]+)$/.test(value) ? '' : printable(value)),
  });

const server = z
  .preprocess(
    (value) => (isSingle(value) ? { address: value } : value),
    section('One server: `host:port`, or a map.', {
      address: address('Where the server listens; also its id.'),
      weight: integer({
        about: 'Share of requests relative to the other servers.',
        initial: 1,
        least: 1,
        most: 65_535,
      }),
      max_fails: integer({
        about: 'Failed attempts within `fail_timeout` that eject the server; 0 never ejects.',
        initial: 1,
        least: 0,
        most: 65_535,
      }),
      fail_timeout: duration({
        about: 'The window for `max_fails`, and how long an ejected server stays out.',
        initial: '10s',
        least: '0',
      }),
      max_conns: integer({
        about: 'Most requests in flight per worker; 0 = no limit.',
        initial: 0,
        least: 0,
        most: 1_000_000,
      }),
      backup: onOff({
        about: 'Takes requests only when no other server is eligible.',
        initial: 'off',
      }),
      down: onOff({
        about: 'Starts in maint: no requests until `sluice undrain`.',
        initial: 'off',
      }),
    }),
  )
  .meta({ description: 'One server: `host:port`, or a map.', 'x-short': 'string' });

const STATUS_CLASSES = ['http_1xx', 'http_2xx', 'http_3xx', 'http_4xx', 'http_5xx'] as const;

const check = section(
  'Active checks. Left out: the servers are not probed. The words are those of nginx_upstream_check_module; its defaults were `type=tcp interval=30000 fall=5`, which notices a dead server after minutes.',
  {
    type: choice({
      about: '`http`: a status line of an expected class. `tcp`: the connection opens and stays.',
      initial: 'http',
      words: ['http', 'tcp'],
    }),
    interval: duration({
      about: 'Between the starts of two probes of a server.',
      initial: '1s',
      least: '10ms',
    }),
    timeout: duration({ about: 'Connect and response together.', initial: '1s', least: '1ms' }),
    rise: integer({
      about: 'Passes in a row that bring a server up.',
      initial: 2,
      least: 1,
      most: 1000,
    }),
    fall: integer({
      about: 'Failures in a row that take a server down.',
      initial: 3,
      least: 1,
      most: 1000,
    }),
    default_down: onOff({
      about: 'A newcomer takes no requests before it has passed.',
      initial: 'on',
    }),
    port: integer({
      about: "Port to probe; 0 = the server's own.",
      initial: 0,
      least: 0,
      most: 65_535,
    }),
    path: text({
      about: 'Probe with `GET path` and a Host field. Not together with `send`.',
      kind: 'path',
      problemOf: (value) =>
        /^\/[\x21-\x7e]*$/.test(value)
          ? ''
          : `${show(value)} is not a request path; write one like /ping`,
    }).optional(),
    send: text({
      about:
        'The raw request, with its line ends; `{host}`, `{port}` and `{id}` are filled in. Default `GET / HTTP/1.0` with no fields.',
      kind: 'text',
    }).optional(),
    expect: list(
      'Status classes that count as alive. Default `[http_2xx, http_3xx]`.',
      choice({ about: '', initial: 'http_2xx', words: STATUS_CLASSES }),
      1,
    ).optional(),
  },
);

export const upstreamSchema = section('A named group of interchangeable servers.', {
  balance: choice({
    about:
      "`round_robin` is nginx's smooth weighted sequence; `least_conn` prefers the least requests in flight per weight.",
    initial: 'round_robin',
    words: ['round_robin', 'least_conn'],
  }),
  slow_start: duration({
    about: 'Ramp of the weight after a server joins or comes back; never at our own start.',
    initial: '0s',
    least: '0',
  }),
  registry: onOff({
    about:
      'Follow the records under `<registry.prefix><name>/`. A record wins over a server of the same address here.',
    initial: 'on',
  }),
  allow_empty: onOff({
    about: 'Take an emptied or vanished list as it is, instead of holding the last good one.',
    initial: 'off',
  }),
  servers: list('Servers that are always members.', server).prefault([]),
  check: check.optional(),
});

export const routeSchema = section(
  'Where requests go: an exact host beats `*.name`, which beats no host; then the longest path prefix.',
  {
    host: text({
      about: 'Host name, `"*.name"` (in quotes), or empty for any. No port.',
      kind: 'host name',
      problemOf: hostProblem,
    }).prefault(''),
    path: text({
      about: 'Prefix of the request path, on segment borders.',
      kind: 'path',
      problemOf: (value) =>
        /^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/.test(value)
          ? ''
          : `${show(value)} is not a path prefix; write one that begins with / and has no ? or #`,
    }).prefault('/'),
    upstream: text({ about: 'Name of the upstream.', kind: 'name' }),
  },
);

function hostProblem(value: string): string {
  if (value === '') return '';
  if (/:\d+$/.test(value)) return `${show(value)} has a port; write the name alone`;
  const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;
  const labels = value.replace(/^\*\./, '').split('.');
  if (value.length <= 253 && labels.every((part) => label.test(part))) return '';
  return `${show(value)} is not a host name; write app.example or "*.app.example"`;
}

export const serviceSchema = section(
  'How `sluice deploy` runs the instances of a service by local commands.',
  {
    upstream: text({
      about: "The upstream whose servers the instances are. Default: the service's name.",
      kind: 'name',
    }).optional(),
    instances: list('`host:port` of each instance, in release order.', address('An instance.'), 1),
    start: list(
      'Command of one instance: a list of words, or one string split on blanks (no shell). `{version} {host} {port} {id} {service}` are filled in.',
      text({ about: '', kind: 'text' }),
      1,
    ),
    env: record(
      'Environment of the instances, added to our own; the same placeholders.',
      text({ about: '', kind: 'text' }),
    ).prefault({}),
    cwd: folder('Folder to start in, relative to this file.', '.'),
    run_dir: folder('Pids, logs of the instances and journals; relative to `state_dir`.', 'run'),
    stop_timeout: duration({ about: 'From TERM to KILL.', initial: '30s', least: '0' }),
    drain: section('Before an instance is stopped.', {
      timeout: duration({
        about: 'How long to wait until nothing is in flight.',
        initial: '30s',
        least: '0',
      }),
      on_timeout: choice({
        about:
          '`proceed`: stop anyway, the cut requests are counted. `halt`: undrain and stop the release.',
        initial: 'proceed',
        words: ['proceed', 'halt'],
      }),
    }).prefault({}),
    check: section('After an instance was started.', {
      path: text({
        about: 'Path that answers 2xx or 3xx when the instance is ready.',
        kind: 'path',
        problemOf: (value) =>
          /^\/[\x21-\x7e]*$/.test(value)
            ? ''
            : `${show(value)} is not a request path; write one like /ping`,
      }).prefault('/ping'),
      interval: duration({ about: 'Between two probes.', initial: '1s', least: '10ms' }),
      timeout: duration({ about: 'Connect and response together.', initial: '1s', least: '1ms' }),
      rise: integer({
        about: 'Passes in a row that are needed.',
        initial: 2,
        least: 1,
        most: 1000,
      }),
      deadline: duration({
        about: 'No pass by then: the release failed.',
        initial: '120s',
        least: '1ms',
      }),
    }).prefault({}),
    expect_version: section('Proof that the new version answers.', {
      header: text({
        about: 'Response header of the check that must equal the version; empty = not checked.',
        kind: 'header name',
        problemOf: (value) =>
          /^[\w!#$%&'*+.^`|~-]*$/.test(value)
            ? ''
            : `${show(value)} is not a header name; write one like x-app-version`,
      }).prefault(''),
    }).prefault({}),
    guard: section('When no instance may be taken out.', {
      min_healthy: integer({
        about: 'Servers that must stay eligible.',
        initial: 1,
        least: 0,
        most: 10_000,
      }),
      min_healthy_percent: integer({
        about: "The same in percent of the upstream's servers; the stricter counts.",
        initial: 50,
        least: 0,
        most: 100,
      }),
      wait: duration({
        about: 'How long to wait for others to become eligible.',
        initial: '2m',
        least: '0',
      }),
    }).prefault({}),
    on_failure: choice({
      about:
        '`revert`: bring the failed instance back to the old version. `park`: leave it out in maint.',
      initial: 'revert',
      words: ['revert', 'park'],
    }),
  },
);

const limits = section('Bounds on what a client or a server can make the gateway hold.', {
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
    about: 'Request body (bodies are streamed, never held); beyond it 413.',
    initial: 0,
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
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
    about: 'Client connections per worker; 0 = by the file-descriptor limit.',
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
  upstream_keepalive: integer({
    about: 'Idle connections kept per server and worker; 0 = none.',
    initial: 64,
    least: 0,
    most: 10_000,
  }),
});

const timeouts = section('How long the gateway waits for what.', {
  client_header_timeout: duration({
    about: 'First byte of a request to the end of its head, in total; then 408.',
    initial: '10s',
  }),
  client_body_timeout: duration({
    about: 'Between two reads of a request body; then 408.',
    initial: '30s',
  }),
  send_timeout: duration({
    about: 'No progress in writing to the client; then the connection ends.',
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
    about: 'Connecting to a server; then the next server, at last 504.',
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

const proxy = section('How requests are passed on.', {
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
    'Addresses or CIDR blocks whose X-Forwarded-* is believed and appended to.',
    text({ about: '', kind: 'CIDR block' }),
  ).prefault([]),
  underscores_in_headers: onOff({
    about: 'Pass fields with `_` in their name; off drops them, as nginx does.',
    initial: 'off',
  }),
  allow_trace: onOff({ about: 'Pass TRACE; off answers 405.', initial: 'off' }),
  via: onOff({ about: 'Add a Via field.', initial: 'off' }),
  upgrade: list(
    'Protocols that may be upgraded to; never h2c. `[]` = none.',
    text({ about: '', kind: 'protocol name' }),
  ).prefault(['websocket']),
  access_log: z
    .preprocess(
      (value) => (value === false ? 'off' : value === true ? '-' : value),
      text({
        about: '',
        kind: 'path',
        problemOf: (value) => (value === '' ? 'is empty; write off, - or a path' : ''),
      }),
    )
    .prefault('off')
    .meta({
      description: '`off`, `-` (or on) for standard output, or a path relative to this file.',
      'x-value': 'off, -, path',
    }),
});

const registry = section(
  'Where the records of servers live. One of `embedded` (the default), `consul`, `none`.',
  {
    embedded: section("Our own store, with Consul's KV API.", {
      listen: listenAddress(
        'Where the Consul-compatible API listens. It has no access control: keep it on loopback.',
      ).prefault('127.0.0.1:8500'),
      data_dir: folder("The store's folder, relative to `state_dir`.", 'registry'),
    }).optional(),
    consul: section('A Consul cluster.', {
      addresses: list('Agents; any of them may be asked.', address('An agent.'), 1),
      token: secret('ACL token.').optional(),
    }).optional(),
    none: onOff({ about: 'No registry: the servers of this file alone.', initial: 'off' }),
    prefix: text({
      about: 'Prefix of the records; ends with a slash.',
      kind: 'key prefix',
      problemOf: (value) => {
        if (value.startsWith('/'))
          return `${show(value)} begins with a slash, but keys do not; write upstreams/`;
        if (!value.endsWith('/'))
          return `${show(value)} also covers other names that begin like it; write "${value}/"`;
        return /^[\x21-\x7e]+$/.test(value)
          ? ''
          : 'holds blanks or non-ASCII characters; remove them';
      },
    }).prefault('upstreams/'),
    strong_dependency: onOff({
      about: "Do not start before the registry's first answer.",
      initial: 'off',
    }),
  },
);

const admin = section('The control API: CLI, status pages, metrics.', {
  listen: listenAddress('Where it listens.').prefault('127.0.0.1:8700'),
  token: secret(
    'Bearer token that every request must carry; needed when `listen` is not loopback.',
  ).optional(),
});

const wrongWorkers = ({ input }: { input?: unknown }): string =>
  `${show(input)} is not a number of workers; write one from 1 to 256, or auto`;

const workers = z
  .union([z.literal('auto'), z.number()], { error: wrongWorkers })
  .refine((value) => value === 'auto' || (Number.isInteger(value) && value >= 1 && value <= 256), {
    error: wrongWorkers,
  })
  .prefault(1)
  .meta({ description: 'Worker processes; `auto` = one per processor.', 'x-value': '1–256, auto' });

/** Top-level keys in the order of the documentation. */
export const SECTIONS = {
  state_dir: folder(
    'Snapshot, registry data and what operators set; relative to this file.',
    '.sluice',
  ),
  workers,
  shutdown_timeout: duration({
    about: 'For what is in flight when we are told to end.',
    initial: '30s',
    least: '0',
  }),
  log_level: choice({
    about: 'Least level that is logged (JSON lines on standard error).',
    initial: 'info',
    words: ['debug', 'info', 'warn', 'error', 'silent'],
  }),
  listen: list(
    'Where the gateway listens: one address or a list.',
    listenAddress('An address.'),
    1,
  ).prefault(['127.0.0.1:8080']),
  admin: admin.prefault({}),
  registry: registry.prefault({}),
  upstreams: record(
    'By name. Default: one upstream `app` with no servers of its own.',
    upstreamSchema,
  ).prefault({ app: {} }),
  routes: list('No routes and one upstream: everything goes there.', routeSchema).prefault([]),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  proxy: proxy.prefault({}),
  services: record('What `sluice deploy` releases, by name.', serviceSchema).prefault({}),
};

export const fileSchema = z.strictObject(SECTIONS, {
  error: (issue) =>
    issue.code === 'unrecognized_keys'
      ? Object.keys(SECTIONS).join(' ')
      : `${show(issue.input)} where the configuration belongs; write lines like "listen: 127.0.0.1:8080"`,
});

/** The file after its values were read, before the rules between them. */
export type ConfigFile = z.output<typeof fileSchema>;
export type UpstreamFile = z.output<typeof upstreamSchema>;
export type RouteFile = z.output<typeof routeSchema>;
export type ServiceFile = z.output<typeof serviceSchema>;
