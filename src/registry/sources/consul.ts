// A Consul cluster, or another program that speaks its API: records that every gateway can follow.

import { type Address, formatAddress } from '../../base/units.ts';
import { openConsul } from '../consul.ts';
import { recordSource } from '../records.ts';
import type { SourceKind } from './source-kind.ts';

export type ConsulSettings = {
  readonly kind: 'consul';
  /** Any of these may be asked. */
  readonly addresses: readonly Address[];
  readonly token: string;
};

export const consul: SourceKind<ConsulSettings> = {
  describe: ({ addresses }) => `Consul at ${addresses.map(formatAddress).join(', ')}`,
  shared: (settings) => `the ${consul.describe(settings)}`,
  withoutSecrets: (settings) => ({ ...settings, token: settings.token === '' ? '' : '(set)' }),
  openStore: ({ addresses, token }, log) => openConsul({ addresses, token, log }),
  open: async ({ addresses, token }, { log, prefix }) => {
    const store = openConsul({ addresses, token, log });
    return {
      source: recordSource({ store, prefix, log }),
      store,
      address: undefined,
      close: async () => store.close(),
    };
  },
};
