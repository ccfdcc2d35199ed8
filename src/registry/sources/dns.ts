// Names in DNS: only read; whoever runs the DNS writes its records.

import { type Address, formatAddress } from '../../base/units.ts';
import { dnsSource, type Family } from '../lists.ts';
import type { SourceKind } from './source-kind.ts';

export type DnsSettings = {
  readonly kind: 'dns';
  /** Empty: those of the system. */
  readonly resolvers: readonly Address[];
  readonly family: Family;
  readonly ttlMinMs: number;
  readonly ttlMaxMs: number;
  readonly timeoutMs: number;
};

export const dns: SourceKind<DnsSettings> = {
  describe: ({ resolvers }) =>
    resolvers.length === 0
      ? 'DNS, by the resolvers of this machine'
      : `DNS at ${resolvers.map(formatAddress).join(', ')}`,
  // Others may well ask for the same names, but that cannot be seen from here.
  shared: () => '',
  withoutSecrets: (settings) => settings,
  checkFiles: () => {},
  openStore: () => undefined,
  open: async (settings, { log }) => ({
    source: dnsSource({ ...settings, log }),
    store: undefined,
    meeting: undefined,
    address: undefined,
    close: async () => {},
  }),
};
