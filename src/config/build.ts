// The file's shape → the program's: units resolved, paths absolute, names in place. Everything was
// checked before; nothing can go wrong here.

import { availableParallelism } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { type Environment, readSecret } from '../base/secrets.ts';
import type { Route } from '../model.ts';
import { artifactOf, pipelineOf, startFolder } from './build/artifact.ts';
import { approveOf, verifyOf } from './build/gates.ts';
import { hooksOf } from './build/hooks.ts';
import { hostsOf } from './build/hosts.ts';
import { listenersOf } from './build/listeners.ts';
import { receiversOf } from './build/notify.ts';
import {
  probeOf,
  type ReadSecret,
  releaseTlsOf,
  upstreamOf,
  upstreamTlsOf,
} from './build/upstream.ts';
import { instancesOf } from './instances.ts';
import type { ConfigFile } from './schema.ts';
import { asksByKeys, type RequestFile } from './sections/check.ts';
import { DEFAULT_REGISTRY } from './sections/follows.ts';
import { chosenKind, chosenKinds, type RegistryFile } from './sections/registry.ts';
import type { ServiceFile } from './sections/service.ts';
import { tracingOf } from './sections/tracing.ts';
import type { RouteFile, UpstreamFile } from './sections/upstream.ts';
import type {
  AdminConfig,
  Config,
  Followed,
  GatewayConfig,
  HostConfig,
  RegistryConfig,
  ServersIn,
  ServiceConfig,
  UpstreamConfig,
} from './types.ts';

export { checkTypeOf, isSecured } from './build/upstream.ts';

/** `folder` is the file's; relative paths start there. */
export function buildConfig(
  read: ConfigFile,
  origin: Pick<Config, 'file' | 'folder' | 'warnings'> & { environment: Environment },
): Omit<Config, 'document'> {
  const stateDir = resolve(origin.folder, read.state_dir);
  const secret: ReadSecret = (text, kind) => {
    const found = readSecret(text, origin.environment, kind);
    return 'value' in found ? found.value : '';
  };
  const hosts = hostsOf(read.hosts, origin.folder);
  const registries = registriesOf(read, { folder: origin.folder, stateDir, secret });
  const [registry, ...named] = registries;
  const upstreams = Object.entries(read.upstreams).map(([name, upstream]) =>
    upstreamOf(name, upstream, { secret, registries, folder: origin.folder }),
  );
  return {
    file: origin.file,
    folder: origin.folder,
    warnings: origin.warnings,
    stateDir,
    workers: read.workers === 'auto' ? availableParallelism() : read.workers,
    ...{ shutdownTimeoutMs: read.shutdown_timeout, orphanTimeoutMs: read.orphan_timeout },
    reloadsOnChange: read.reload_on_change,
    logLevel: read.log_level,
    gateway: gatewayOf(read, origin.folder),
    admin: adminOf(read.admin, { folder: origin.folder, stateDir, secret }),
    registry,
    registries: named,
    upstreams,
    routes: routesOf(read.routes, upstreams),
    services: Object.entries(read.services).map(([name, service]) =>
      serviceOf(name, service, {
        folder: origin.folder,
        stateDir,
        secret,
        upstreams: read.upstreams,
        follows: upstreams.find((one) => one.name === (service.upstream ?? name))?.follows ?? [],
        registries,
        hosts,
      }),
    ),
  };
}

/** Who may see a page, unless the file says it. */
const LOOPBACK = ['127.0.0.0/8', '::1'];

function routesOf(read: readonly RouteFile[], upstreams: readonly UpstreamConfig[]): Route[] {
  const routes = read.map(({ host: name, path, upstream = '', page, allow = LOOPBACK }): Route => {
    const host = name.toLowerCase();
    return page === undefined ? { host, path, upstream } : { host, path, page, allow };
  });
  const [only] = upstreams;
  // Pages beside the one upstream take nothing else away from it; of several, one has a route.
  const isOpen = only !== undefined && routes.every((route) => 'page' in route);
  return isOpen ? [...routes, { host: '', path: '/', upstream: only.name }] : routes;
}

function adminOf(
  {
    listen,
    token,
    tokens,
    tls,
    audit_log: auditLog,
    start_releases: startReleases,
  }: ConfigFile['admin'],
  { folder, stateDir, secret }: { folder: string; stateDir: string; secret: ReadSecret },
): AdminConfig {
  const path = (file: string): string => resolve(folder, file);
  return {
    listen,
    token: secret(token),
    tokens: Object.entries(tokens).map(([name, { role, secret: text }]) => ({
      ...{ name, role, secret: secret(text) },
    })),
    tls:
      tls === undefined
        ? null
        : {
            cert: path(tls.cert),
            key: path(tls.key),
            clientCa: tls.client_ca === undefined ? '' : path(tls.client_ca),
          },
    startsReleases: startReleases,
    auditLog:
      auditLog === undefined
        ? resolve(stateDir, 'audit.log')
        : auditLog === 'off'
          ? ''
          : path(auditLog),
  };
}

function gatewayOf(
  { listen, limits, timeouts, proxy, tracing, upstreams }: ConfigFile,
  folder: string,
): GatewayConfig {
  return {
    listen: listenersOf(listen, folder),
    limits: {
      uriBytesMax: limits.max_uri_size,
      headBytesMax: limits.max_head_size,
      fieldsMax: limits.max_fields,
      bodyBytesMax: limits.client_max_body_size,
      bodyMinRate: limits.client_body_min_rate,
      chunkExtensionBytesMax: limits.max_chunk_ext_size,
      trailerBytesMax: limits.max_trailer_size,
      responseHeadBytesMax: limits.max_response_head_size,
      relayBytesMax: limits.relay_buffer_size,
      connectionsMax: limits.max_connections,
      keepaliveRequests: limits.keepalive_requests,
      upstreamKeepalive: limits.upstream_keepalive,
    },
    timeouts: {
      clientHeaderMs: timeouts.client_header_timeout,
      clientBodyMs: timeouts.client_body_timeout,
      sendMs: timeouts.send_timeout,
      keepaliveMs: timeouts.keepalive_timeout,
      lingeringMs: timeouts.lingering_timeout,
      connectMs: timeouts.connect_timeout,
      responseMs: timeouts.response_timeout,
      readMs: timeouts.read_timeout,
      upstreamSendMs: timeouts.upstream_send_timeout,
      upstreamKeepaliveMs: timeouts.upstream_keepalive_timeout,
      tunnelMs: timeouts.tunnel_timeout,
    },
    tries: proxy.tries,
    triesTimeoutMs: proxy.tries_timeout,
    trustedProxies: proxy.trusted_proxies,
    underscoresInHeaders: proxy.underscores_in_headers,
    allowTrace: proxy.allow_trace,
    requestBuffering: Object.fromEntries(
      Object.entries(upstreams).map(([name, read]) => [name, read.request_buffering]),
    ),
    longLived: Object.fromEntries(
      Object.entries(upstreams).map(([name, { long_lived: read }]) => [
        name,
        { policy: read.policy, graceMs: read.grace, spreadMs: read.spread },
      ]),
    ),
    upstreamTls: Object.fromEntries(
      Object.entries(upstreams).flatMap(([name, { tls }]) =>
        tls === undefined ? [] : [[name, upstreamTlsOf(tls, folder)]],
      ),
    ),
    ignoreClientAbort: proxy.ignore_client_abort,
    via: proxy.via,
    isReasonShown: proxy.show_reason,
    requestId: proxy.request_id,
    upgrade: proxy.upgrade.map((protocol) => protocol.toLowerCase()),
    accessLogFormat: proxy.access_log_format,
    tracing: tracingOf(tracing),
    accessLog: /^(off|-)$/.test(proxy.access_log)
      ? proxy.access_log.replace('off', '')
      : resolve(folder, proxy.access_log),
  };
}

/** The one of the section `registry` first. */
function registriesOf(
  { registry, registries, upstreams }: ConfigFile,
  origin: { folder: string; stateDir: string; secret: ReadSecret },
): readonly [RegistryConfig, ...RegistryConfig[]] {
  const build = (name: string, read: RegistryFile): RegistryConfig => {
    const kind = chosenKind(read);
    return {
      name,
      settings: kind.settings(origin),
      serversIn: kind.serversIn(origin),
      prefix: read.prefix,
      strongDependency: read.strong_dependency,
      gateways: {
        prefix: read.gateways.prefix,
        leaseMs: read.gateways.lease,
        forgetMs: read.gateways.forget,
      },
    };
  };
  const named = Object.entries(registries);
  // Nobody asked for our own store: all follow others.
  const isUnused =
    named.length > 0 &&
    chosenKinds(registry).length === 0 &&
    !Object.values(upstreams).some(isFollowing(DEFAULT_REGISTRY));
  return [
    build(DEFAULT_REGISTRY, isUnused ? { ...registry, none: true } : registry),
    ...named.map(([name, read]) => build(name, read)),
  ];
}

function isFollowing(name: string): (upstream: UpstreamFile) => boolean {
  return (upstream) => upstream.registry.some(({ registry }) => registry === name);
}

/** Where people add a server of this upstream: in the first registry that it follows. */
function placeOfServers(
  upstream: string,
  follows: readonly Followed[],
  registries: readonly RegistryConfig[],
): ServersIn {
  const [first] = follows;
  const registry = registries.find(({ name }) => name === first?.registry);
  if (registry === undefined)
    return { place: `upstreams.${upstream}.servers of the gateway's configuration` };
  const { prefix, serversIn: place } = registry;
  return place === undefined ? { recordPrefix: `${prefix}${upstream}/` } : { place };
}

/** Of `stop.timeout`; its documentation says it, too. */
const STOP_TIMEOUT_MS = 30_000;

function serviceOf(
  name: string,
  read: ServiceFile,
  origin: {
    readonly folder: string;
    readonly stateDir: string;
    readonly secret: ReadSecret;
    readonly upstreams: ConfigFile['upstreams'];
    readonly follows: readonly Followed[];
    readonly registries: readonly RegistryConfig[];
    readonly hosts: ReadonlyMap<string, HostConfig>;
  },
): ServiceConfig {
  const { folder, stateDir } = origin;
  const start = read.start ?? [];
  const [command = ''] = start;
  const upstream = read.upstream ?? name;
  const check = serviceRequest(read, origin.upstreams[upstream]);
  const artifact = artifactOf(read, folder);
  return {
    name,
    upstream,
    serversIn: placeOfServers(upstream, origin.follows, origin.registries),
    instances: instancesOf(read, origin.hosts),
    hosts: origin.hosts,
    start: start.length === 1 ? command.trim().split(/\s+/) : start,
    isSupervised: read.supervise,
    user: read.user,
    env: read.env,
    secrets: read.secrets,
    inheritEnv: read.inherit_env.includes('all') ? 'all' : read.inherit_env,
    cwd:
      artifact === null
        ? resolve(folder, read.cwd)
        : startFolder(artifact, join(artifact.path, artifact.link)),
    pipeline: pipelineOf(read),
    approve: approveOf(read),
    hooks: hooksOf(read),
    notify: receiversOf(read),
    folder,
    artifact,
    runDir: resolve(stateDir, read.run_dir),
    remoteRunDir: isAbsolute(read.run_dir) ? read.run_dir : join('.sluice', read.run_dir),
    driver: read.driver,
    systemd: {
      unit: read.systemd.unit,
      envFile: read.systemd.env_file,
      isUserManager: read.systemd.user_manager,
      command: read.systemd.command,
    },
    docker: read.docker,
    pm2: read.pm2,
    stopSignal: read.stop.signal ?? 'TERM',
    stopTo: read.stop.to ?? 'main',
    stopTimeoutMs: read.stop.timeout ?? read.stop_timeout ?? STOP_TIMEOUT_MS,
    drainTimeoutMs: read.drain.timeout,
    drainOnTimeout: read.drain.on_timeout,
    checkPath: check.path,
    checkRequest: {
      ...probeOf(check, origin.secret),
      tls: releaseTlsOf(origin.upstreams[upstream], origin.folder),
    },
    checkIntervalMs: read.check.interval,
    checkTimeoutMs: read.check.timeout,
    checkRise: read.check.rise,
    checkDeadlineMs: read.check.deadline,
    checkStableMs: read.check.stable,
    verify: verifyOf(read),
    versionHeader: read.expect_version.header,
    isVersionStamped: read.expect_version.from === 'artifact',
    minHealthy: read.guard.min_healthy,
    minHealthyPercent: read.guard.min_healthy_percent,
    guardWaitMs: read.guard.wait,
    onFailure: read.on_failure,
  };
}

/** Left-out keys are those of the upstream's check: the two shall see the same. */
export function serviceRequest(
  { check }: ServiceFile,
  upstream: UpstreamFile | undefined,
): RequestFile & { readonly path: string } {
  const other = upstream?.check;
  const base: RequestFile = other !== undefined && asksByKeys(other) ? other : {};
  const port = check.port ?? base.port ?? 0;
  return {
    path: check.path ?? (asksByKeys(base) ? (base.path ?? '/') : '/ping'),
    host: check.host ?? base.host,
    port,
    headers: check.headers ?? base.headers,
    expect: check.expect ?? base.expect,
  };
}
