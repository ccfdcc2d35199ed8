// Upstreams: their servers, and what their checks send.

import { FIELD_VALUE, type SecretKind } from '../../base/secrets.ts';
import { formatAddress } from '../../base/units.ts';
import type { CheckSpec, CheckType } from '../../health.ts';
import { attributesFrom, type ServerAttributes } from '../../model.ts';
import { balancingOf } from '../sections/balance.ts';
import { asksByKeys, type RequestFile } from '../sections/check.ts';
import { clientTlsOf, upstreamTls } from '../sections/client-tls.ts';
import type { UpstreamFile } from '../sections/upstream.ts';
import type { RegistryConfig, UpstreamConfig, UpstreamTls } from '../types.ts';

export type ReadSecret = (text: string | undefined, kind?: SecretKind) => string;

export function upstreamOf(
  name: string,
  read: UpstreamFile,
  {
    secret,
    registries,
    folder,
  }: { secret: ReadSecret; registries: readonly RegistryConfig[]; folder: string },
): UpstreamConfig {
  const hasServers = (registry: string): boolean =>
    registries.some((one) => one.name === registry && one.settings.kind !== 'none');
  return {
    name,
    balancing: balancingOf(read),
    slowStartMs: read.slow_start,
    maxEjected: read.max_ejected,
    panicThreshold: read.panic_threshold,
    follows: read.registry
      .filter(({ registry }) => hasServers(registry))
      .map(({ registry, service = name }) => ({ registry, service })),
    writeDown: read.write_down,
    allowEmpty: read.allow_empty,
    servers: read.servers.map((server) => ({
      id: formatAddress(server.address),
      host: server.address.host,
      port: server.address.port,
      ...attributesFrom<ServerAttributes>(({ name }) => server[name]),
    })),
    check: read.check === undefined ? null : checkOf(read, read.check, { secret, folder }),
  };
}

export function upstreamTlsOf(read: NonNullable<UpstreamFile['tls']>, folder: string): UpstreamTls {
  return { ...clientTlsOf(read, folder), minVersion: read.min_version };
}

type UpstreamCheck = NonNullable<UpstreamFile['check']>;

function checkOf(
  upstream: UpstreamFile,
  read: UpstreamCheck,
  { secret, folder }: { secret: ReadSecret; folder: string },
): CheckSpec {
  const type = checkTypeOf(upstream);
  return {
    ...probeOf(read, secret),
    ...(isSecured(type) ? { tls: checkTlsOf(upstream, folder) } : {}),
    type,
    intervalMs: read.interval,
    timeoutMs: read.timeout,
    rise: read.rise,
    fall: read.fall,
    defaultDown: read.default_down,
  };
}

/** Of one that has a check, or has none and is asked by a release. */
export function checkTypeOf({ tls, check }: UpstreamFile): CheckType {
  return check?.type ?? (tls === undefined ? 'http' : 'https');
}

export function checkTlsOf({ tls, check }: UpstreamFile, folder: string): UpstreamTls {
  return upstreamTlsOf(check?.tls ?? tls ?? upstreamTls.parse({}), folder);
}

/** Of a release's check, which asks by HTTP whatever the upstream's own does. */
export function releaseTlsOf(
  upstream: UpstreamFile | undefined,
  folder: string,
): UpstreamTls | undefined {
  if (upstream === undefined) return undefined;
  const { tls, check } = upstream;
  const isHttps = check?.type === 'https' || (tls !== undefined && check?.type !== 'http');
  return isHttps ? checkTlsOf(upstream, folder) : undefined;
}

export function isSecured(type: CheckType): boolean {
  return type === 'https' || type === 'tls';
}

/** What the two checks of a server have in common: what is sent, where to, and what is awaited. */
export function probeOf(read: RequestFile & { send?: string | undefined }, secret: ReadSecret) {
  const asks = asksByKeys(read);
  return {
    port: read.port ?? 0,
    send: read.send ?? (asks ? requestOf(read, secret) : 'GET / HTTP/1.0\r\n\r\n'),
    reads: asks ? ('answer' as const) : ('line' as const),
    expect: read.expect ?? ['http_2xx' as const, 'http_3xx' as const],
  } satisfies Partial<CheckSpec>;
}

function requestOf(
  { path = '/', host = '{id}', headers = {} }: RequestFile,
  secret: ReadSecret,
): string {
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const agent = names.has('user-agent') ? [] : ['User-Agent: sluice-check'];
  const fields = Object.entries(headers).map(
    ([name, value]) => `${name}: ${secret(value, FIELD_VALUE)}`,
  );
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...agent, ...fields];
  return `${lines.join('\r\n')}\r\n\r\n`;
}
