// A Consul cluster, or another program that speaks its API: records that every gateway can follow.

import { type Address, formatAddress } from '../../base/units.ts';
import { checkCredentials, openConsul, type TlsSettings } from '../consul.ts';
import { recordSource } from '../records.ts';
import type { SourceKind } from './source-kind.ts';

/** How to reach a Consul, as the configuration has it. */
export type ConsulReach = {
  /** Any of these may be asked. */
  readonly addresses: readonly Address[];
  readonly token: string;
  /** '' = `token` is the token. */
  readonly tokenFile: string;
  readonly tls: TlsSettings | undefined;
  readonly datacenter: string;
  readonly namespace: string;
};

export type ConsulSettings = ConsulReach & { readonly kind: 'consul' };

export const consul: SourceKind<ConsulSettings> = {
  describe: (settings) => `Consul at ${placeOf(settings)}`,
  shared: (settings) => `the ${consul.describe(settings)}`,
  withoutSecrets: (settings) => ({ ...settings, token: settings.token === '' ? '' : '(set)' }),
  checkFiles: checkCredentials,
  openStore: ({ kind: _, ...reach }, log) => openConsul({ ...reach, log }),
  open: async ({ kind: _, ...reach }, { log, prefix }) => {
    const store = openConsul({ ...reach, log });
    return {
      source: recordSource({ store, prefix, log }),
      store,
      meeting: store,
      address: undefined,
      close: async () => store.close(),
    };
  },
};

/** `127.0.0.1:8500, 127.0.0.2:8500`, and what else says which Consul is meant. */
export function placeOf({ addresses, datacenter, namespace }: ConsulReach): string {
  const place = addresses.map(formatAddress).join(', ');
  const more = [
    datacenter === '' ? '' : `data centre ${datacenter}`,
    namespace === '' ? '' : `namespace ${namespace}`,
  ].filter((word) => word !== '');
  return more.length === 0 ? place : `${place} (${more.join(', ')})`;
}
