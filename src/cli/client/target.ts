// Which configuration, which control API, which registry a verb talks to. The command line beats
// the environment, which beats the file; without a file the defaults hold.

import { access } from 'node:fs/promises';
import type { Control } from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import { type Address, formatAddress, parseAddress } from '../../base/units.ts';
import { type ClientTls, type ControlClient, createControlClient, readPem } from '../../client.ts';
import type { Config } from '../../config.ts';
import { mayAct } from '../../model.ts';
import type { RecordStore } from '../../registry.ts';
import { visible } from '../output.ts';
import { openRegistryAt } from './registry-address.ts';

/** Options that every verb understands, before or after its name. */
export type GlobalOptions = {
  readonly config?: string;
  readonly control?: string;
  readonly ca?: string;
  readonly registry?: string;
  readonly json?: boolean;
};

const SERVERS_SHOWN_MAX = 10;
/** Looked for in this folder, in this order; not more than one may be there. */
const CONFIG_FILES = ['sluice.yaml', 'sluice.config.ts', 'sluice.config.mts', 'sluice.config.js'];
/** Of a registry in the file; anything with a port is an address. */
const NAME = /^[\w.-]+$/;

/** The file of -c, else the one in this folder, else the defaults. @throws config_…, usage */
export async function configOf(options: GlobalOptions): Promise<Config> {
  const { defaultConfig, loadConfig } = await import('../../config.ts');
  if (options.config !== undefined) return loadConfig(options.config);
  const found = await Promise.all(
    CONFIG_FILES.map((file) =>
      access(file).then(
        () => [file],
        () => [],
      ),
    ),
  );
  const [file, other] = found.flat();
  if (other !== undefined) {
    throw new SluiceError('usage', `${file} and ${other} are both here; name one with -c`);
  }
  return file === undefined ? defaultConfig() : loadConfig(file);
}

/** @throws usage, config_… */
export async function controlOf(options: GlobalOptions): Promise<ControlClient> {
  return createControlClient(await controlAddressOf(options));
}

/** --control or SLUICE_CONTROL, else the file's admin.listen; the token from SLUICE_TOKEN first. */
async function controlAddressOf(
  options: GlobalOptions,
): Promise<{ readonly url: string; readonly token: string; readonly tls: ClientTls }> {
  const token = process.env['SLUICE_TOKEN'] ?? '';
  const url = options.control ?? process.env['SLUICE_CONTROL'] ?? '';
  const tls = clientTls(options);
  if (url !== '') return { url, token, tls };
  const { admin, file } = await configOf(options);
  if (admin.listen.port === 0) {
    throw new SluiceError(
      'usage',
      `${file}: admin.listen has port 0, so nobody knows the address; name it with --control URL`,
    );
  }
  const address = formatAddress(reachable(admin.listen));
  return {
    url: `${admin.tls === null ? 'http' : 'https'}://${address}`,
    token: token === '' ? strongest(admin) : token,
    tls: admin.tls === null ? tls : { ...tls, pinned: readPem('admin.tls.cert', admin.tls.cert) },
  };
}

/** --ca or SLUICE_CA, SLUICE_CERT with SLUICE_KEY. @throws usage */
function clientTls(options: GlobalOptions): ClientTls {
  const read = (name: string, path = process.env[name] ?? ''): string | undefined =>
    path === '' ? undefined : readPem(name, path);
  const ca = options.ca === undefined ? read('SLUICE_CA') : readPem('--ca', options.ca);
  const [cert, key] = [read('SLUICE_CERT'), read('SLUICE_KEY')];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Who can read the file may do all that it lets anybody do. */
function strongest({ token, tokens }: Config['admin']): string {
  if (token !== '') return token;
  const [best] = tokens.toSorted(
    (a, b) => Number(mayAct(b.role, a.role)) - Number(mayAct(a.role, b.role)),
  );
  return best?.secret ?? '';
}

/** An open client of the registry, and the prefix of its upstream records. The caller closes it. */
export async function registryOf(
  options: GlobalOptions,
): Promise<{ readonly registry: RecordStore; readonly prefix: string }> {
  const named = options.registry ?? process.env['SLUICE_REGISTRY'] ?? '';
  const { kindOf } = await import('../../registry.ts');
  const { silentLog } = await import('../../base/log.ts');
  if (named !== '' && !NAME.test(named)) {
    const prefix = await prefixOf(options);
    return { registry: await openRegistryAt(named, process.env), prefix };
  }
  const { registry: first, registries, file } = await configOf(options);
  const all = [first, ...registries];
  const config = named === '' ? first : all.find(({ name }) => name === named);
  if (config === undefined) {
    const names = all.map(({ name }) => name).join(', ');
    const message = `registry "${named}" is neither host:port nor a registry of ${file === '' ? 'the defaults' : file}; known there: ${names}`;
    throw new SluiceError('usage', message);
  }
  const { settings, prefix, serversIn } = config;
  const registry = kindOf(settings).openStore(settings, silentLog);
  if (registry !== undefined) return { registry, prefix };
  throw new SluiceError(
    'usage',
    `${file}: the servers come from ${serversIn}, so there are no records to read or write; change the servers there, or name a registry with --registry host:port`,
  );
}

/** Of the records. A file that is broken, or missing, counts only when -c names it. */
async function prefixOf(options: GlobalOptions): Promise<string> {
  const { defaultConfig } = await import('../../config.ts');
  const config =
    options.config === undefined
      ? await configOf(options).catch(() => defaultConfig())
      : await configOf(options);
  return config.registry.prefix;
}

/** Where to connect for what listens on every address. */
export function reachable(listen: Address): Address {
  if (listen.host === '0.0.0.0') return { host: '127.0.0.1', port: listen.port };
  if (listen.host === '::') return { host: '::1', port: listen.port };
  return listen;
}

/**
 * Refuses a server that is no host:port, with those that may be meant: a bare port or host of the
 * upstream's servers, arguments in the other order. @throws usage
 */
export async function assertServer(
  control: Control,
  upstream: string,
  server: string,
  verb: string,
): Promise<void> {
  if (parseAddress(server) !== undefined) return;
  const shown = visible(server).slice(0, 60);
  const refuse = (advice: string): SluiceError =>
    new SluiceError('usage', `server "${shown}" is not host:port; ${advice}`);
  if (parseAddress(upstream) !== undefined) {
    throw refuse(`the upstream comes first: sluice ${verb} ${shown} ${visible(upstream)}`);
  }
  // When the control API does not answer, its error says so.
  const { upstreams } = await control.status();
  const ids = (upstreams.find(({ name }) => name === upstream)?.servers ?? []).map(({ id }) => id);
  const bare = server.replace(/^:/, '');
  const meant = ids.filter((id) => id.endsWith(`:${bare}`) || id.startsWith(`${bare}:`));
  if (meant.length === 1) throw refuse(`did you mean ${meant[0]}?`);
  const known = meant.length > 1 ? meant : ids;
  const rest = known.length > SERVERS_SHOWN_MAX ? `, … (${known.length} in all)` : '';
  throw refuse(
    known.length === 0
      ? `see "sluice status ${visible(upstream)}" for its servers`
      : `the servers of "${visible(upstream)}": ${known.slice(0, SERVERS_SHOWN_MAX).join(', ')}${rest}`,
  );
}
