// The rules between keys. They see each part of the file that could be read, also when others could
// not, so that all problems come at once. Rules of services are in services.ts beside it.

import { type Environment, FIELD_VALUE, readSecret } from '../../base/secrets.ts';
import { type Address, formatAddress, isCidr, isLoopback, parseAddress } from '../../base/units.ts';
import type { CheckType } from '../../health.ts';
import { checkTypeOf, isSecured } from '../build.ts';
import { formatPath, type Path, type Where } from '../document.ts';
import type { AdminFile } from '../sections/admin.ts';
import { fieldNameProblem } from '../sections/check.ts';
import { clientTlsProblem } from '../sections/client-tls.ts';
import type { HostFile } from '../sections/hosts.ts';
import type { ListenerFile } from '../sections/listen.ts';
import { chosenKind, type RegistryKinds } from '../sections/registry.ts';
import type { ServiceFile } from '../sections/service.ts';
import { nameProblem } from '../sections/shapes.ts';
import type { RouteFile, UpstreamFile } from '../sections/upstream.ts';
import { show } from '../sections/values.ts';
import { checkAdmin } from './admin.ts';
import { checkBalancing } from './balance.ts';
import { checkListen } from './listen.ts';
import { checkFollows, checkRegistries, followsAny } from './registries.ts';
import { checkRoutes } from './routes.ts';

/** A part of the file: its path, what the file says, and its meaning if it has one. */
export type Part<Value> = {
  readonly path: Path;
  readonly raw: unknown;
  readonly value: Value | undefined;
};

export type Parts = {
  readonly listen: Part<readonly ListenerFile[]>;
  readonly admin: Part<AdminFile>;
  readonly registry: Part<RegistryKinds>;
  readonly registries: ReadonlyMap<string, Part<RegistryKinds>>;
  readonly limits: Part<{ max_uri_size: number; max_head_size: number }>;
  readonly proxy: Part<{ trusted_proxies: readonly string[]; upgrade: readonly string[] }>;
  readonly upstreams: ReadonlyMap<string, Part<UpstreamFile>>;
  readonly routes: readonly Part<RouteFile>[];
  readonly hosts: ReadonlyMap<string, Part<HostFile>>;
  readonly services: ReadonlyMap<string, Part<ServiceFile>>;
};

export type Findings = {
  problem(path: Path, message: string, where?: Where): void;
  /** Worth a line, but no reason to refuse. */
  warning(path: Path, message: string): void;
};

export function applyRules(parts: Parts, environment: Environment, findings: Findings): void {
  checkListeners(parts, findings);
  checkListen(parts.listen, findings);
  checkAdmin(parts.admin, environment, findings);
  checkRegistries(parts, environment, findings);
  checkLimits(parts, findings);
  checkProxy(parts, findings);
  for (const [name, upstream] of parts.upstreams)
    checkUpstream(name, upstream, { parts, environment, findings });
  checkRoutes(parts, findings);
}

type Listener = {
  readonly path: Path;
  readonly address: Address;
  /** The file says so; else it is the default. */
  readonly isGiven: boolean;
};

function listenersOf(parts: Parts): Listener[] {
  const { listen, admin, registry } = parts;
  const listeners: Listener[] = [];
  for (const [index, { address }] of (listen.value ?? []).entries()) {
    const path = Array.isArray(listen.raw) ? ['listen', index] : ['listen'];
    listeners.push({ path, address, isGiven: listen.raw !== undefined });
  }
  if (admin.value !== undefined) {
    const isGiven = isMap(admin.raw) && admin.raw['listen'] !== undefined;
    listeners.push({ path: ['admin', 'listen'], address: admin.value.listen, isGiven });
  }
  if (registry.value !== undefined) {
    const kind = chosenKind(registry.value);
    const address = kind.listen;
    const isGiven = isMap(registry.raw) && registry.raw[kind.kind] !== undefined;
    if (address !== undefined)
      listeners.push({ path: ['registry', kind.kind, 'listen'], address, isGiven });
  }
  return listeners;
}

function checkListeners(parts: Parts, findings: Findings): void {
  const listeners = listenersOf(parts);
  for (const [index, listener] of listeners.entries()) {
    const other = listeners.slice(0, index).find((one) => clash(one.address, listener.address));
    if (other === undefined) continue;
    // Point at the one that is in the file: the other may be a default.
    const [here, there] = listener.isGiven ? [listener, other] : [other, listener];
    const address = formatAddress(there.address);
    findings.problem(
      here.path,
      `${formatAddress(here.address)} is also ${formatPath(there.path)} (${address}); give one of them another port`,
    );
  }
}

/** One socket would take the other's place: same port, and the same host or one of them is all. */
function clash(a: Address, b: Address): boolean {
  if (a.port === 0 || a.port !== b.port) return false;
  const isAll = (host: string): boolean => host === '0.0.0.0' || host === '::';
  return isAll(a.host) || isAll(b.host) || plainHost(a.host) === plainHost(b.host);
}

function plainHost(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

/** A head must have room for the longest target and for some fields after it. */
const HEAD_BYTES_BESIDE_URI = 8 * 1024;

function checkLimits({ limits }: Parts, findings: Findings): void {
  const { value } = limits;
  if (value === undefined) return;
  const least = value.max_uri_size + HEAD_BYTES_BESIDE_URI;
  if (value.max_head_size >= least) return;
  findings.problem(
    ['limits', 'max_head_size'],
    `${value.max_head_size} bytes have no room for max_uri_size (${value.max_uri_size}) and 8k of fields; write at least ${least}, or lower max_uri_size`,
  );
}

function checkProxy({ proxy }: Parts, findings: Findings): void {
  for (const [index, block] of (proxy.value?.trusted_proxies ?? []).entries()) {
    if (!isCidr(block)) {
      const message = `${show(block)} is not an IP address or CIDR block; write one like 10.0.0.0/8`;
      findings.problem(['proxy', 'trusted_proxies', index], message);
    } else if (/\/0+$/.test(block)) {
      findings.warning(
        ['proxy', 'trusted_proxies', index],
        `${block} trusts everybody: any client can say that it is another`,
      );
    }
  }
  for (const [index, protocol] of (proxy.value?.upgrade ?? []).entries()) {
    const path = ['proxy', 'upgrade', index];
    if (/^(h2c?|http\/2(\.0)?)$/i.test(protocol)) {
      findings.problem(
        path,
        `${protocol} is never passed on: it would tunnel requests past the gateway; remove it`,
      );
    } else if (!/^[\w!#$%&'*+.^`|~-]+(\/[\w.-]+)?$/.test(protocol)) {
      findings.problem(path, `${show(protocol)} is not a protocol name; write one like websocket`);
    }
  }
}

type RuleContext = {
  readonly parts: Parts;
  readonly environment: Environment;
  readonly findings: Findings;
};

function checkTls({ tls }: UpstreamFile, path: Path, findings: Findings): void {
  const problem = clientTlsProblem(tls);
  if (problem !== '') findings.problem([...path, 'tls'], problem);
  if (tls?.verify === false) {
    const message =
      'takes any certificate, so that anybody in between can read and change everything';
    findings.warning([...path, 'tls', 'verify'], message);
  }
}

function checkUpstream(
  name: string,
  upstream: Part<UpstreamFile>,
  { parts, environment, findings }: RuleContext,
): void {
  const wrongName = nameProblem(name);
  if (wrongName !== '') findings.problem(upstream.path, wrongName, 'key');
  checkServers(upstream, parts, findings);
  const { value } = upstream;
  if (value === undefined) return;
  checkFollows(value, upstream.path, parts, findings);
  checkTls(value, upstream.path, findings);
  const isFollowing = followsAny(value, parts);
  if (value.servers.length > 0 && value.servers.every((server) => server.backup)) {
    const message = 'has backup servers alone';
    if (isFollowing) {
      findings.warning(
        [...upstream.path, 'servers'],
        `${message}; they take all requests until the registry has others`,
      );
    } else {
      findings.problem(
        [...upstream.path, 'servers'],
        `${message}; make one of them primary (backup: off)`,
      );
    }
  }
  checkBalancing(value, upstream.path, findings);
  checkCheck(value, upstream.path, environment, findings);
}

/** Works on what the file says: a wrong weight next door must not hide a duplicate. */
function checkServers(upstream: Part<UpstreamFile>, parts: Parts, findings: Findings): void {
  const seen = new Map<string, number>();
  const listeners = listenersOf(parts);
  for (const [index, address] of addressesIn(upstream.raw, 'servers')) {
    const path = [...upstream.path, 'servers', index];
    const id = formatAddress(address);
    const earlier = seen.get(id);
    if (earlier !== undefined) {
      findings.problem(path, `${id} is servers[${earlier}] already; keep one and set its weight`);
    }
    seen.set(id, earlier ?? index);
    const own = listeners.find(
      (listener) => clash(listener.address, address) && isLoopback(plainHost(address.host)),
    );
    if (own !== undefined) {
      findings.problem(
        path,
        `${id} is our own ${formatPath(own.path)}; write the server's address`,
      );
    }
  }
}

/** The addresses that can be read in a list of `host:port` and `{ address: host:port }`. */
export function* addressesIn(raw: unknown, key: string): Generator<[number, Address]> {
  const list: unknown = isMap(raw) ? raw[key] : undefined;
  for (const [index, item] of (Array.isArray(list) ? list : [list]).entries()) {
    const address = isMap(item) ? item['address'] : item;
    const parsed = typeof address === 'string' ? parseAddress(address) : undefined;
    if (parsed !== undefined) yield [index, parsed];
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkCheckTls(upstream: UpstreamFile, path: Path, findings: Findings): void {
  const { check, tls } = upstream;
  const type = checkTypeOf(upstream);
  if (type === 'http' && tls !== undefined && check?.port === undefined) {
    const message =
      'http asks in the open, and the servers speak TLS; write https, or the port of another listener of theirs';
    findings.problem([...path, 'type'], message);
  }
  if (check?.tls === undefined) return;
  const problem = isSecured(type)
    ? clientTlsProblem(check.tls)
    : `has no meaning in a ${type} check; remove it, or write type: ${type === 'tcp' ? 'tls' : 'https'}`;
  if (problem !== '') findings.problem([...path, 'tls'], problem, 'key');
}

const NO_REQUEST = ['path', 'send', 'host', 'headers', 'expect'] as const;

/** Keys that say nothing to a type of check. */
const NOT_IN_CHECK: Readonly<
  Record<CheckType, readonly ('path' | 'send' | 'host' | 'headers' | 'expect')[]>
> = { http: [], https: [], tcp: NO_REQUEST, tls: NO_REQUEST };

function checkCheck(
  upstream: UpstreamFile,
  upstreamPath: Path,
  environment: Environment,
  findings: Findings,
): void {
  const { check } = upstream;
  if (check === undefined) return;
  const path = [...upstreamPath, 'check'];
  const type = checkTypeOf(upstream);
  checkCheckTls(upstream, path, findings);
  for (const key of NOT_IN_CHECK[type]) {
    if (check[key] === undefined) continue;
    const message = `has no meaning in a ${type} check; remove it, or write type: ${type === 'tls' ? 'https' : 'http'}`;
    findings.problem([...path, key], message, 'key');
  }
  if (type !== 'http' && type !== 'https') return;
  checkFields(check.headers ?? {}, [...path, 'headers'], environment, findings);
  for (const key of ['path', 'host', 'headers'] as const) {
    if (check[key] === undefined || check.send === undefined) continue;
    const message =
      key === 'path'
        ? 'path and send exclude each other; keep one'
        : `${key} and send exclude each other; write it into the text, or path instead of send`;
    findings.problem([...path, 'send'], message, 'key');
  }
  const { send } = check;
  if (send === undefined) return;
  if (/[^\x00-\xff]/.test(send)) {
    findings.problem(
      [...path, 'send'],
      'holds characters beyond latin1; write bytes that HTTP can carry',
    );
  } else if (send.includes('\\r') || send.includes('\\n')) {
    findings.problem(
      [...path, 'send'],
      'holds \\r\\n as letters; put the text in double quotes to mean line ends',
    );
  } else if (!/\r?\n\r?\n/.test(send)) {
    findings.problem(
      [...path, 'send'],
      'is not a whole request: no empty line; end it with \\r\\n\\r\\n',
    );
  }
}

/** The fields of a check's request. */
export function checkFields(
  headers: Readonly<Record<string, string>>,
  path: Path,
  environment: Environment,
  findings: Findings,
): void {
  for (const [name, value] of Object.entries(headers)) {
    const wrongName = fieldNameProblem(name);
    if (wrongName !== '') findings.problem([...path, name], wrongName, 'key');
    const secret = readSecret(value, environment, FIELD_VALUE);
    if ('problem' in secret) findings.problem([...path, name], secret.problem);
  }
}
