// The registry that --registry or SLUICE_REGISTRY names by its address: `host:port[,…]` speaks Consul's
// API, `etcd://host:port[,…]` is etcd. What must be known besides comes from the environment, by the
// names that the programs of Consul and etcd use.

import { resolve } from 'node:path';
import { SluiceError } from '../../base/errors.ts';
import type { Environment } from '../../base/secrets.ts';
import { type Address, parseAddress } from '../../base/units.ts';
import type { ConsulAccess, EtcdApi, EtcdTls, RecordStore, TlsSettings } from '../../registry.ts';

/** @throws usage */
export async function openRegistryAt(text: string, environment: Environment): Promise<RecordStore> {
  const { silentLog } = await import('../../base/log.ts');
  const { openConsul, openEtcd } = await import('../../registry.ts');
  const [, scheme, rest = ''] = /^(etcds?):\/\/(.*)$/.exec(text.trim()) ?? [];
  if (scheme === undefined) {
    return openConsul({ ...consulOf(text, environment), log: silentLog });
  }
  const [list = '', query = ''] = rest.split('?', 2);
  return openEtcd({
    addresses: list.split(',').map((part) => parseOne(part, 'etcd://127.0.0.1:2379')),
    ...optionsOf(query),
    ...userOf(environment),
    tls: tlsOf(scheme, environment),
    log: silentLog,
  });
}

/**
 * With the variables of Consul's own programs; `https://` in front of an address, or CONSUL_HTTP_SSL,
 * means TLS.
 */
export function consulOf(text: string, environment: Environment): ConsulAccess {
  const parts = text.split(',').map((part) => part.trim());
  const isSecure =
    parts.some((part) => part.startsWith('https://')) ||
    /^(1|true)$/i.test(environment['CONSUL_HTTP_SSL'] ?? '');
  const tls: TlsSettings = {
    ca: environment['CONSUL_CACERT'] ?? '',
    cert: environment['CONSUL_CLIENT_CERT'] ?? '',
    key: environment['CONSUL_CLIENT_KEY'] ?? '',
    serverName: environment['CONSUL_TLS_SERVER_NAME'] ?? '',
    verify: !/^(0|false)$/i.test(environment['CONSUL_HTTP_SSL_VERIFY'] ?? ''),
  };
  const tokenFile = environment['CONSUL_HTTP_TOKEN_FILE'] ?? '';
  return {
    addresses: parts.map((part) => parseOne(part.replace(/^https:/, 'http:'), '127.0.0.1:8500')),
    token: environment['CONSUL_HTTP_TOKEN'] ?? '',
    tokenFile: tokenFile === '' ? '' : resolve(tokenFile),
    tls: isSecure ? tls : undefined,
    namespace: environment['CONSUL_NAMESPACE'] ?? '',
  };
}

function parseOne(text: string, example: string): Address {
  const plain = text
    .trim()
    .replace(/^http:\/\//, '')
    .replace(/\/$/, '');
  const address = parseAddress(plain);
  if (address !== undefined) return address;
  const message = `registry address "${text}" is not host:port; write one like ${example}`;
  throw new SluiceError('usage', message);
}

/** `?root=/prod/&api=v2` */
function optionsOf(query: string): { readonly root: string; readonly api: EtcdApi } {
  const parameters = new URLSearchParams(query);
  const api = parameters.get('api') ?? 'v3';
  const unknown = [...parameters.keys()].find((name) => name !== 'api' && name !== 'root');
  if (unknown !== undefined || (api !== 'v2' && api !== 'v3')) {
    const what = unknown === undefined ? `api=${api}` : unknown;
    throw new SluiceError('usage', `registry: "${what}" is unknown; write ?root=/ or ?api=v2`);
  }
  return { root: parameters.get('root') ?? '', api };
}

/** ETCDCTL_USER is `name:password`, or the name beside ETCDCTL_PASSWORD. */
function userOf(environment: Environment): { readonly user: string; readonly password: string } {
  const text = environment['ETCDCTL_USER'] ?? '';
  const [, user = '', password] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  return { user, password: environment['ETCDCTL_PASSWORD'] ?? password ?? '' };
}

function tlsOf(scheme: string, environment: Environment): EtcdTls | undefined {
  if (scheme === 'etcd') return undefined;
  return {
    ca: environment['ETCDCTL_CACERT'] ?? '',
    cert: environment['ETCDCTL_CERT'] ?? '',
    key: environment['ETCDCTL_KEY'] ?? '',
    serverName: '',
    verify: environment['ETCDCTL_INSECURE_SKIP_TLS_VERIFY'] !== 'true',
  };
}
