// The schema of upstreams and routes: servers, checks, where requests go.

import { z } from 'zod';
import type { CheckType } from '../../health.ts';
import { hostProblem, pathProblem } from '../advice/route-words.ts';
import { balanceKeys } from './balance.ts';
import { requestShape } from './check.ts';
import { checkTls, upstreamTls } from './client-tls.ts';
import { follows } from './follows.ts';
import { serverAttributeKeys } from './server.ts';
import { isSingle, list, section } from './shapes.ts';
import {
  address,
  choiceOf,
  duration,
  integer,
  onOff,
  optionalChoice,
  percent,
  size,
  text,
} from './values.ts';

const server = z
  .preprocess(
    // The type is that of the short form, for configurations in TypeScript; it may be anything.
    (value: string) => (isSingle(value) ? { address: value } : value),
    section('One server: `host:port`, or a map.', {
      address: address('Where the server listens; also its id.'),
      ...serverAttributeKeys,
    }),
  )
  .meta({ description: 'One server: `host:port`, or a map.', 'x-short': 'string' });

/** Every type of check with what passes it. */
const CHECK_TYPES: Readonly<Record<CheckType, string>> = {
  http: 'an answer of an expected class',
  https: 'the same over TLS',
  tcp: 'the connection opens and stays',
  tls: 'a TLS handshake',
};

const check = section(
  'Active checks. Left out: the servers are not probed. The words are those of nginx_upstream_check_module; its defaults were `type=tcp interval=30000 fall=5`, which notices a dead server after minutes.',
  {
    type: optionalChoice({
      about: `${Object.entries(CHECK_TYPES)
        .map(([word, about]) => `\`${word}\`: ${about}.`)
        .join(' ')} Default: \`https\` in an upstream with \`tls\`, else \`http\`.`,
      // Object.keys forgets the type of the keys.
      words: Object.keys(CHECK_TYPES) as CheckType[],
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
    send: text({
      about:
        'The raw request, with its line ends, instead of `path`; `{host}`, `{port}` and `{id}` are filled in, and the first status line decides. Default `GET / HTTP/1.0` with no fields.',
      kind: 'text',
    }).optional(),
    tls: checkTls.optional(),
    ...requestShape(
      (initial) => `Default ${initial}.`,
      '`/` with `host` or `headers`, else `send`',
    ),
  },
);

export const upstreamSchema = section('A named group of interchangeable servers.', {
  ...balanceKeys,
  slow_start: duration({
    about: 'Ramp of the weight after a server joins or comes back; never at our own start.',
    initial: '0s',
    least: '0',
  }),
  max_ejected: percent({
    about:
      'The part of the servers that failed requests may eject at a time, at least one. When one more fails, the one that was ejected first returns. Ejected servers are tried all the same before a request is refused.',
    initial: '100%',
  }),
  panic_threshold: percent({
    about:
      'When a smaller part than this of the servers that you have in passes the checks, those that fail take requests, too. `0%`: never. See health.md.',
    initial: '0%',
  }),
  request_buffering: size({
    about:
      'A request whose body is still coming is held up to this size, and a server is asked when it is whole or larger. For servers with a thread per connection, which a slow client would hold. Costs up to this much memory per client connection with such a body; a 100 Continue is sent by the gateway. 0 = bodies are passed on as they come.',
    initial: 0,
    least: 0,
    most: 64 * 1024 * 1024,
  }),
  long_lived: section(
    'What becomes of tunnels (WebSockets, other upgrades) and streams of events when a server is taken out. They would not end by themselves, and a drain would wait for them until its timeout. See docs/gateway.md.',
    {
      policy: choiceOf({
        about: 'How they end.',
        initial: 'close_after',
        meanings: {
          wait: 'when one of the sides ends them',
          close_after: 'the gateway closes all of them in good order within `grace`',
          close_now: 'at once',
        },
      }),
      grace: duration({
        about:
          'With `close_after`: all are closed by then. Less than `drain.timeout` of a service.',
        initial: '10s',
        least: '0',
      }),
      spread: duration({
        about:
          'They are closed one by one over this last part of `grace`, so that their clients do not all come back in one moment; before it they have the time to end by themselves. As long as `grace` or longer: over all of it.',
        initial: '10s',
        least: '0',
      }),
    },
  ).prefault({}),
  registry: follows,
  write_down: choiceOf({
    about: "Whether a drain also writes `down` into the server's record.",
    initial: 'auto',
    meanings: {
      auto: 'where other machines can follow the registry, or other gateways do',
      on: 'always',
      off: 'never',
    },
    more: ' Then nginx with upsync takes it out too; it is taken back with the drain.',
  }),
  allow_empty: onOff({
    about: 'Take an emptied or vanished list as it is, instead of holding the last good one.',
    initial: 'off',
  }),
  servers: list('Servers that are always members.', server).prefault([]),
  tls: upstreamTls.optional(),
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
      about:
        'Prefix of the decoded and resolved request path, on segment borders: docs/gateway.md.',
      kind: 'path',
      problemOf: pathProblem,
    }).prefault('/'),
    upstream: text({
      about: 'Name of the upstream. A route has an upstream or a page.',
      kind: 'name',
    }).optional(),
    page: optionalChoice({
      about: 'A page of the control API instead of an upstream: docs/gateway.md.',
      words: ['upstream_status', 'upstream_list'],
    }),
    allow: list(
      'With `page`: addresses or CIDR blocks of the clients that may see it. Default loopback alone.',
      text({ about: '', kind: 'CIDR block' }),
    ).optional(),
  },
);

export type UpstreamFile = z.output<typeof upstreamSchema>;
export type RouteFile = z.output<typeof routeSchema>;
