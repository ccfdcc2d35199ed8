// The file's shape → the program's: units resolved, paths absolute, names in place. Everything was
// checked before; nothing can go wrong here.

import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { formatAddress } from '../base/units.ts';
import type { CheckSpec } from '../health.ts';
import type { ConfigFile } from './schema.ts';
import { type Environment, readSecret } from './secrets.ts';
import type { ServiceFile } from './service-schema.ts';
import type {
  Config,
  GatewayConfig,
  RegistryConfig,
  ServiceConfig,
  UpstreamConfig,
} from './types.ts';
import type { UpstreamFile } from './upstream-schema.ts';

/** `folder` is the file's; relative paths start there. */
export function buildConfig(
  read: ConfigFile,
  origin: { file: string; folder: string; environment: Environment; warnings: readonly string[] },
): Config {
  const stateDir = resolve(origin.folder, read.state_dir);
  const secret = (text: string | undefined): string => {
    const found = readSecret(text, origin.environment);
    return 'value' in found ? found.value : '';
  };
  const upstreams = Object.entries(read.upstreams).map(([name, upstream]) =>
    upstreamOf(name, upstream),
  );
  const [only] = upstreams;
  return {
    file: origin.file,
    folder: origin.folder,
    warnings: origin.warnings,
    stateDir,
    workers: read.workers === 'auto' ? availableParallelism() : read.workers,
    shutdownTimeoutMs: read.shutdown_timeout,
    logLevel: read.log_level,
    gateway: gatewayOf(read, origin.folder),
    admin: { listen: read.admin.listen, token: secret(read.admin.token) },
    registry: registryOf(read, stateDir, secret(read.registry.consul?.token)),
    upstreams,
    routes:
      read.routes.length === 0 && upstreams.length === 1 && only !== undefined
        ? [{ host: '', path: '/', upstream: only.name }]
        : read.routes.map((route) => ({ ...route, host: route.host.toLowerCase() })),
    services: Object.entries(read.services).map(([name, service]) =>
      serviceOf(name, service, origin.folder, stateDir),
    ),
  };
}

function upstreamOf(name: string, read: UpstreamFile): UpstreamConfig {
  return {
    name,
    balance: read.balance,
    slowStartMs: read.slow_start,
    followRegistry: read.registry,
    allowEmpty: read.allow_empty,
    servers: read.servers.map((server) => ({
      id: formatAddress(server.address),
      host: server.address.host,
      port: server.address.port,
      weight: server.weight,
      maxFails: server.max_fails,
      failTimeoutMs: server.fail_timeout,
      maxConns: server.max_conns,
      backup: server.backup,
      down: server.down,
    })),
    check: read.check === undefined ? null : checkOf(read.check),
  };
}

function checkOf(read: NonNullable<UpstreamFile['check']>): CheckSpec {
  const fromPath =
    read.path === undefined
      ? 'GET / HTTP/1.0\r\n\r\n'
      : `GET ${read.path} HTTP/1.0\r\nHost: {id}\r\nConnection: close\r\n\r\n`;
  return {
    type: read.type,
    intervalMs: read.interval,
    timeoutMs: read.timeout,
    rise: read.rise,
    fall: read.fall,
    defaultDown: read.default_down,
    port: read.port,
    send: read.send ?? fromPath,
    expect: read.expect ?? ['http_2xx', 'http_3xx'],
  };
}

function gatewayOf({ listen, limits, timeouts, proxy }: ConfigFile, folder: string): GatewayConfig {
  return {
    listen,
    limits: {
      uriBytesMax: limits.max_uri_size,
      headBytesMax: limits.max_head_size,
      fieldsMax: limits.max_fields,
      bodyBytesMax: limits.client_max_body_size,
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
    via: proxy.via,
    isReasonShown: proxy.show_reason,
    upgrade: proxy.upgrade.map((protocol) => protocol.toLowerCase()),
    accessLog:
      proxy.access_log === 'off'
        ? ''
        : proxy.access_log === '-'
          ? '-'
          : resolve(folder, proxy.access_log),
  };
}

function registryOf({ registry }: ConfigFile, stateDir: string, token: string): RegistryConfig {
  return {
    kind: registry.none ? 'none' : registry.consul === undefined ? 'embedded' : 'consul',
    listen: registry.embedded?.listen ?? { host: '127.0.0.1', port: 8500 },
    dataDir: resolve(stateDir, registry.embedded?.data_dir ?? 'registry'),
    addresses: registry.consul?.addresses ?? [],
    token,
    prefix: registry.prefix,
    strongDependency: registry.strong_dependency,
  };
}

function serviceOf(
  name: string,
  read: ServiceFile,
  folder: string,
  stateDir: string,
): ServiceConfig {
  const [command = ''] = read.start;
  return {
    name,
    upstream: read.upstream ?? name,
    instances: read.instances,
    start: read.start.length === 1 ? command.trim().split(/\s+/) : read.start,
    env: read.env,
    cwd: resolve(folder, read.cwd),
    runDir: resolve(stateDir, read.run_dir),
    stopTimeoutMs: read.stop_timeout,
    drainTimeoutMs: read.drain.timeout,
    drainOnTimeout: read.drain.on_timeout,
    checkPath: read.check.path,
    checkIntervalMs: read.check.interval,
    checkTimeoutMs: read.check.timeout,
    checkRise: read.check.rise,
    checkDeadlineMs: read.check.deadline,
    versionHeader: read.expect_version.header,
    minHealthy: read.guard.min_healthy,
    minHealthyPercent: read.guard.min_healthy_percent,
    guardWaitMs: read.guard.wait,
    onFailure: read.on_failure,
  };
}
