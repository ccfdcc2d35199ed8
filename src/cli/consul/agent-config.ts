// What an agent of ours is, by Consul's flags and JSON files: later ones go before earlier ones, flags
// before files. What only a cluster of Consul needs is passed over.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SluiceError } from '../../base/errors.ts';
import type { AgentFlags } from './agent-flags.ts';

export type AgentSettings = {
  readonly host: string;
  readonly port: number;
  /** Instead of host and port: the path of a socket. */
  readonly socket: string | undefined;
  /** Where Consul's servers would talk with each other; it is only told. */
  readonly serverAddress: { readonly host: string; readonly port: number };
  /** Undefined: a temporary one. */
  readonly dataDir: string | undefined;
  readonly nodeName: string | undefined;
  readonly nodeId: string | undefined;
  readonly nodeMeta: Readonly<Record<string, string>>;
  readonly datacenter: string;
  readonly scripts: boolean;
  readonly logLevel: string;
  readonly pidFile: string | undefined;
  readonly acl: {
    readonly enabled: boolean;
    readonly allowByDefault: boolean;
    readonly masterToken: string;
  };
  /** As in `service` and `services`, `check` and `checks`: bodies of registrations. */
  readonly services: readonly unknown[];
  readonly checks: readonly unknown[];
};

type Json = Readonly<Record<string, unknown>>;

/** @throws config_invalid */
export function readAgentConfig({ texts, switches }: AgentFlags): AgentSettings {
  const files = [...(texts.configFile ?? []), ...(texts.configDir ?? []).flatMap(filesOf)];
  const config = files.map(readJson).reduce(merge, {});
  const isDev = switches.has('dev');
  const last = (values: readonly string[] | undefined): string | undefined => values?.at(-1);
  const ports = objectAt(config, 'ports');
  const acl = objectAt(config, 'acl');
  const tokens = objectAt(acl, 'tokens');
  const masterToken = textAt(tokens, 'master') ?? textAt(config, 'acl_master_token');
  const client = last(texts.client) ?? textAt(config, 'client_addr');
  const own = textAt(objectAt(config, 'addresses'), 'http');
  const dataDir = last(texts.dataDir) ?? textAt(config, 'data_dir');
  if (!isDev && dataDir === undefined) throw invalid('data_dir cannot be empty; give -data-dir');
  const given = texts.nodeMeta ?? [];
  const listen = own ?? client ?? '127.0.0.1';
  const bind = last(texts.bind) ?? textAt(config, 'bind_addr') ?? '127.0.0.1';
  return {
    host: listen.startsWith('unix://') ? '127.0.0.1' : hostOf(listen),
    socket: listen.startsWith('unix://') ? listen.slice('unix://'.length) : undefined,
    serverAddress: {
      host: isWildcard(bind) ? '127.0.0.1' : hostOf(bind),
      port: numberAt(ports, 'server') ?? 8300,
    },
    port: Number(last(texts.httpPort) ?? numberAt(ports, 'http') ?? 8500),
    dataDir: isDev ? undefined : dataDir,
    nodeName: last(texts.node) ?? textAt(config, 'node_name'),
    nodeId: last(texts.nodeId) ?? textAt(config, 'node_id'),
    nodeMeta: {
      ...textsOf(objectAt(config, 'node_meta')),
      ...Object.fromEntries(given.map((pair) => pair.split(/:(.*)/s).slice(0, 2))),
    },
    datacenter: (last(texts.datacenter) ?? textAt(config, 'datacenter') ?? 'dc1').toLowerCase(),
    scripts: switches.has('scripts') || config['enable_script_checks'] === true,
    logLevel: (last(texts.logLevel) ?? textAt(config, 'log_level') ?? 'info').toLowerCase(),
    pidFile: last(texts.pidFile) ?? textAt(config, 'pid_file'),
    acl: {
      enabled: acl['enabled'] === true || textAt(config, 'acl_datacenter') !== undefined,
      allowByDefault:
        (textAt(acl, 'default_policy') ?? textAt(config, 'acl_default_policy') ?? 'allow') ===
        'allow',
      masterToken: masterToken ?? '',
    },
    services: bodiesOf(config, 'service', 'services'),
    checks: bodiesOf(config, 'check', 'checks'),
  };
}

/** Of a folder: its JSON files by name. */
function filesOf(path: string): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => join(path, name));
  } catch (error) {
    throw invalid(`-config-dir ${path}: ${messageOf(error)}`);
  }
}

function readJson(path: string): Json {
  try {
    const text = readFileSync(path, 'utf8');
    // A harness may make the file first and write it later.
    const value: unknown = text.trim() === '' ? {} : JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    throw invalid(`${path}: ${messageOf(error)}; only JSON is read, no HCL`);
  }
  throw invalid(`${path}: no object`);
}

/** Objects member by member, lists one behind the other, everything else by the later one. */
function merge(left: Json, right: Json): Json {
  const merged: Record<string, unknown> = { ...left };
  for (const [name, value] of Object.entries(right)) {
    const last = merged[name];
    if (isObject(last) && isObject(value)) merged[name] = merge(last, value);
    else if (Array.isArray(last) && Array.isArray(value)) merged[name] = [...last, ...value];
    else merged[name] = value;
  }
  return merged;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectAt(config: Json, name: string): Json {
  const value = config[name];
  return isObject(value) ? value : {};
}

function textAt(config: Json, name: string): string | undefined {
  const value = config[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function numberAt(config: Json, name: string): number | undefined {
  const value = config[name];
  return typeof value === 'number' ? value : undefined;
}

function textsOf(value: Json): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]));
}

function bodiesOf(config: Json, one: string, several: string): readonly unknown[] {
  const list = config[several];
  return [
    ...(config[one] === undefined ? [] : [config[one]]),
    ...(Array.isArray(list) ? list : []),
  ];
}

function isWildcard(address: string): boolean {
  return ['0.0.0.0', '::'].includes(address);
}

/** Consul takes several; one is enough here. */
function hostOf(text: string): string {
  const [first = ''] = text.trim().split(/\s+/);
  if (/^unix:|^\{\{/.test(first) || first === '') {
    throw invalid(`addresses: "${first}" is not offered; write an IP address`);
  }
  return first;
}

function invalid(why: string): SluiceError {
  return new SluiceError('config_invalid', `consul agent: ${why}`);
}
