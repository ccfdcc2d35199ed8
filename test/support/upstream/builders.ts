// Builders for tests that need upstreams: their servers are called a, b, c, …

import {
  type BalanceKey,
  ROUND_ROBIN,
  type ServerState,
  type UpstreamState,
} from '../../../src/model.ts';
import { type Balanced, type Server, Upstream } from '../../../src/upstream.ts';

export function serverState(part: Partial<ServerState> = {}): ServerState {
  return {
    id: 'a',
    host: '127.0.0.1',
    port: 9001,
    addresses: ['127.0.0.1'],
    weight: 1,
    maxFails: 1,
    failTimeoutMs: 10_000,
    maxConns: 0,
    backup: false,
    admin: 'ready',
    checks: 'unknown',
    mustPass: false,
    ...part,
  };
}

/** The table of an upstream "web" with servers a, b, c, … unless a part gives its own id. */
export function upstreamState(
  servers: readonly Partial<ServerState>[],
  part: Partial<UpstreamState> = {},
): UpstreamState {
  return {
    name: 'web',
    balancing: ROUND_ROBIN,
    slowStartMs: 0,
    servers: servers.map((server, index) =>
      serverState({ id: String.fromCharCode(97 + index), port: 9001 + index, ...server }),
    ),
    ...part,
  };
}

export function createUpstream(
  servers: readonly Partial<ServerState>[],
  part: Partial<UpstreamState> = {},
  onIdle: (server: Server) => void = () => {},
  random: () => number = Math.random,
): Upstream {
  const upstream = new Upstream('web', onIdle, random);
  upstream.apply(upstreamState(servers, part), 0);
  return upstream;
}

/** The ids of the next picks, joined; each is settled as a success before the next. */
export function pickNames(upstream: Upstream, count: number, nowMs = 0): string {
  let names = '';
  for (let pick = 0; pick < count; pick += 1) {
    const server = upstream.pick(request(), nowMs);
    names += server?.id ?? '-';
    server?.settle('success', nowMs);
  }
  return names;
}

/** A request that has tried these servers; `keys` by kind and name, such as `cookie:id`. */
export function request(
  tried: readonly Server[] = [],
  keys: Readonly<Record<string, string>> = {},
): Balanced {
  return {
    tried,
    keyOf: ({ kind, name }: BalanceKey) => keys[name === '' ? kind : `${kind}:${name}`] ?? '',
  };
}
