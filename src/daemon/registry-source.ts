// Opens the registry that the config names: the embedded store with its Consul-compatible API, or the
// client of a real Consul. The daemon reads and writes both through the same client, so that what works
// with the one works with the other; changes of the embedded one it hears of without HTTP between.

import type { Log } from '../base/log.ts';
import type { Address } from '../base/units.ts';
import type { RegistryConfig } from '../config.ts';
import {
  embeddedRegistry,
  openConsul,
  openStore,
  type Registry,
  serveConsulApi,
} from '../registry.ts';
import type { Teardown } from './teardown.ts';

export type RegistrySource = {
  /** Undefined: servers come from the config file alone. */
  readonly registry: Registry | undefined;
  /** Where the embedded registry's API listens. */
  readonly address: Address | undefined;
};

/** @throws data_dir_unusable, address_in_use, address_unavailable */
export async function openRegistry(
  config: RegistryConfig,
  options: { readonly log: Log; readonly teardown: Teardown },
): Promise<RegistrySource> {
  const { teardown } = options;
  const log = options.log.child({ component: 'registry' });
  if (config.kind === 'none') return { registry: undefined, address: undefined };
  if (config.kind === 'consul') {
    const { addresses, token } = config;
    const registry = openConsul({ addresses, token, log });
    teardown.add(() => registry.close());
    return { registry, address: undefined };
  }
  const store = openStore({ dataDir: config.dataDir, log });
  teardown.add(() => store.close());
  const api = await serveConsulApi({ store, ...config.listen, log });
  teardown.add(() => api.close());
  const client = openConsul({ addresses: [reachable(api.address)], log });
  const registry = embeddedRegistry(client, store);
  teardown.add(() => registry.close());
  return { registry, address: api.address };
}

/** A wildcard address is for listening; one connects to loopback. */
function reachable({ host, port }: Address): Address {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  return host === '::' ? { host: '::1', port } : { host, port };
}
