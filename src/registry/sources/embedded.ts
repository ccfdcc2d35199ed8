// Our own store. The daemon writes it through the same client as a real Consul, so that what works with
// the one works with the other; it hears of changes without HTTP between. Other processes, and other
// gateways where it listens beyond loopback, use its Consul-compatible API.

import { type Address, formatAddress, isLoopback } from '../../base/units.ts';
import { openConsul } from '../consul.ts';
import { serveConsulApi } from '../consul-server.ts';
import { embeddedStore, openStore } from '../embedded.ts';
import { recordSource } from '../records.ts';
import type { SourceKind } from './source-kind.ts';

export type EmbeddedSettings = {
  readonly kind: 'embedded';
  /** Where the Consul-compatible HTTP API listens. */
  readonly listen: Address;
  readonly dataDir: string;
  /** The management token; '' for a registry without access control. */
  readonly token: string;
  readonly datacenter: string;
  readonly nodeName: string;
};

export const embedded: SourceKind<EmbeddedSettings> = {
  describe: ({ listen, dataDir }) => `embedded on ${formatAddress(listen)}, data in ${dataDir}`,
  shared: ({ listen }) =>
    isLoopback(listen.host) ? '' : `the registry on ${formatAddress(listen)}`,
  withoutSecrets: (settings) => ({ ...settings, token: settings.token === '' ? '' : '(set)' }),
  checkFiles: () => {},
  openStore: ({ listen, token }, log) => openConsul({ addresses: [reachable(listen)], token, log }),
  open: async ({ listen, dataDir, token, ...names }, { log, prefix, dashboard, inherited }) => {
    const disk = openStore({ dataDir, log });
    try {
      const api = await serveConsulApi({
        store: disk,
        ...{ ...listen, inherited },
        acl: aclOf(token),
        datacenter: names.datacenter,
        nodeName: names.nodeName,
        dashboard,
        log,
      });
      const addresses = [reachable(api.address)];
      const { renewSession } = api;
      const client = openConsul({ addresses, token, log, renewSession });
      const store = embeddedStore(client, disk);
      return {
        source: recordSource({ store, prefix, log }),
        store,
        meeting: store,
        ...{ address: api.address, listening: api.listening },
        stopAccepting: () => api.stopAccepting(),
        close: async () => {
          store.close();
          await api.close();
          disk.close();
        },
      };
    } catch (error) {
      disk.close();
      throw error;
    }
  },
};

/** With a management token there is access control. */
function aclOf(token: string): { readonly initialManagementToken: string } | undefined {
  return token === '' ? undefined : { initialManagementToken: token };
}

/** A wildcard address is for listening; one connects to loopback. */
function reachable({ host, port }: Address): Address {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  return host === '::' ? { host: '::1', port } : { host, port };
}
