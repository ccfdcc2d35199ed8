// What is different between two configurations, by the keys of the file, and what becomes of it: put in
// force while the daemon runs, or kept as it was, with the reason. The first start compares with none.
// The compiler asks for a line here when a setting is added.

import { isDeepStrictEqual } from 'node:util';
import type { Config, UpstreamConfig } from '../config.ts';

/** A key of the file that keeps its value until the next start. */
export type KeptKey = { readonly key: string; readonly reason: string };

export type ConfigChanges = {
  /** What is in force with the next configuration: it, but for what is kept. */
  readonly effective: Config;
  /** Keys whose new values are put in force; upstreams apart. */
  readonly keys: readonly string[];
  readonly kept: readonly KeptKey[];
  readonly upstreams: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
};

/** The key in the file, and why its value is kept; no key: the daemon does not use it. */
type Rule = readonly [key?: string, kept?: string];
type Rules<T> = { readonly [Key in keyof T]: Rule | Rules<T[Key]> };

const ONE_REGISTRY = 'the registry is followed since the start';
const OPEN_API = 'the control API is open since the start';

const RULES: Rules<Config> = {
  file: [],
  folder: [],
  document: [],
  warnings: [],
  stateDir: ['state_dir', 'the state of this run is in the folder of the start'],
  workers: ['workers'],
  shutdownTimeoutMs: ['shutdown_timeout'],
  orphanTimeoutMs: ['orphan_timeout'],
  reloadsOnChange: ['reload_on_change'],
  logLevel: ['log_level'],
  gateway: {
    listen: ['listen'],
    limits: {
      uriBytesMax: ['limits.max_uri_size'],
      headBytesMax: ['limits.max_head_size'],
      fieldsMax: ['limits.max_fields'],
      bodyBytesMax: ['limits.client_max_body_size'],
      bodyMinRate: ['limits.client_body_min_rate'],
      chunkExtensionBytesMax: ['limits.max_chunk_ext_size'],
      trailerBytesMax: ['limits.max_trailer_size'],
      responseHeadBytesMax: ['limits.max_response_head_size'],
      relayBytesMax: ['limits.relay_buffer_size'],
      connectionsMax: ['limits.max_connections'],
      keepaliveRequests: ['limits.keepalive_requests'],
      upstreamKeepalive: ['limits.upstream_keepalive'],
    },
    timeouts: {
      clientHeaderMs: ['timeouts.client_header_timeout'],
      clientBodyMs: ['timeouts.client_body_timeout'],
      sendMs: ['timeouts.send_timeout'],
      keepaliveMs: ['timeouts.keepalive_timeout'],
      lingeringMs: ['timeouts.lingering_timeout'],
      connectMs: ['timeouts.connect_timeout'],
      responseMs: ['timeouts.response_timeout'],
      readMs: ['timeouts.read_timeout'],
      upstreamSendMs: ['timeouts.upstream_send_timeout'],
      upstreamKeepaliveMs: ['timeouts.upstream_keepalive_timeout'],
      tunnelMs: ['timeouts.tunnel_timeout'],
    },
    tries: ['proxy.tries'],
    triesTimeoutMs: ['proxy.tries_timeout'],
    trustedProxies: ['proxy.trusted_proxies'],
    underscoresInHeaders: ['proxy.underscores_in_headers'],
    requestId: ['proxy.request_id'],
    allowTrace: ['proxy.allow_trace'],
    requestBuffering: ['upstreams.*.request_buffering'],
    upstreamTls: ['upstreams.*.tls'],
    longLived: ['upstreams.*.long_lived'],
    ignoreClientAbort: ['proxy.ignore_client_abort'],
    via: ['proxy.via'],
    isReasonShown: ['proxy.show_reason'],
    upgrade: ['proxy.upgrade'],
    accessLog: ['proxy.access_log'],
    accessLogFormat: ['proxy.access_log_format'],
    tracing: {
      endpoint: ['tracing.endpoint'],
      sampleShare: ['tracing.sample'],
      service: ['tracing.service'],
    },
  },
  admin: {
    listen: ['admin.listen', OPEN_API],
    token: ['admin.token'],
    tokens: ['admin.tokens'],
    tls: ['admin.tls', OPEN_API],
    auditLog: ['admin.audit_log', 'the audit log is open since the start'],
    startsReleases: ['admin.start_releases'],
  },
  registry: {
    name: ['registry', ONE_REGISTRY],
    settings: ['registry', ONE_REGISTRY],
    serversIn: ['registry', ONE_REGISTRY],
    prefix: ['registry.prefix', ONE_REGISTRY],
    // It only says what the start waits for.
    strongDependency: [],
    gateways: {
      prefix: ['registry.gateways.prefix', ONE_REGISTRY],
      leaseMs: ['registry.gateways.lease', ONE_REGISTRY],
      forgetMs: ['registry.gateways.forget', ONE_REGISTRY],
    },
  },
  registries: ['registries', 'the registries are followed since the start'],
  // By name, see below.
  upstreams: [],
  routes: ['routes'],
  // `sluice deploy` reads them from the file.
  services: [],
};

export function compareConfigs(last: Config | undefined, next: Config): ConfigChanges {
  const keys: string[] = [];
  const kept: KeptKey[] = [];
  const compared = compare(RULES, last, next, { keys, kept });
  const effective = keepLastToken(last, compared, { keys, kept });
  return { effective, keys, kept, upstreams: compareUpstreams(last?.upstreams, next.upstreams) };
}

/** An API that asks for a token does not stop asking while it is open: others may reach it. */
function keepLastToken(last: Config | undefined, next: Config, found: Found): Config {
  if (last === undefined || !hasToken(last) || hasToken(next)) return next;
  for (const name of ['token', 'tokens'] as const) {
    const key = `admin.${name}`;
    const at = found.keys.indexOf(key);
    if (at < 0) continue;
    found.keys.splice(at, 1);
    found.kept.push({
      key,
      reason: 'the control API never stops asking for a token while it is open',
    });
  }
  const { token, tokens } = last.admin;
  return { ...next, admin: { ...next.admin, token, tokens } };
}

function hasToken({ admin }: Config): boolean {
  return admin.token !== '' || admin.tokens.length > 0;
}

type Found = { readonly keys: string[]; readonly kept: KeptKey[] };

function compare<T extends object>(rules: Rules<T>, last: T | undefined, next: T, found: Found): T {
  const effective = { ...next };
  // Rules has exactly the names of T, which Object.keys does not know.
  for (const name of Object.keys(rules) as (keyof T)[]) {
    const rule: unknown = rules[name];
    if (!isRule(rule)) {
      // A section: rules and an object on both sides, by the type of the rules.
      const [inner, outer] = [next[name], last?.[name]] as [object, object | undefined];
      effective[name] = compare(rule as Rules<object>, outer, inner, found) as T[keyof T];
      continue;
    }
    const [key, reason] = rule;
    if (key === undefined || isDeepStrictEqual(last?.[name], next[name])) continue;
    if (last === undefined || reason === undefined) found.keys.push(key);
    else {
      if (!found.kept.some((known) => known.key === key)) found.kept.push({ key, reason });
      effective[name] = last[name];
    }
  }
  return effective;
}

function isRule(rule: unknown): rule is Rule {
  return Array.isArray(rule);
}

function compareUpstreams(
  last: readonly UpstreamConfig[] = [],
  next: readonly UpstreamConfig[],
): ConfigChanges['upstreams'] {
  const before = new Map(last.map((upstream) => [upstream.name, upstream]));
  const after = new Set(next.map(({ name }) => name));
  const isChanged = (upstream: UpstreamConfig): boolean =>
    before.has(upstream.name) && !isDeepStrictEqual(before.get(upstream.name), upstream);
  return {
    added: next.map(({ name }) => name).filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: next.filter(isChanged).map(({ name }) => name),
  };
}
