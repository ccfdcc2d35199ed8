// An etcd cluster: records that every gateway can follow, in its v3 API or in the keys of v2.

import { type Address, formatAddress } from '../../base/units.ts';
import { checkEtcdTls, type EtcdApi, type EtcdTls, openEtcd } from '../etcd.ts';
import { recordSource } from '../records.ts';
import type { SourceKind } from './source-kind.ts';

export type EtcdSettings = {
  readonly kind: 'etcd';
  /** Any of these may be asked. */
  readonly addresses: readonly Address[];
  readonly api: EtcdApi;
  /** What stands before every key of a record. */
  readonly root: string;
  readonly user: string;
  readonly password: string;
  /** Undefined: plain HTTP. */
  readonly tls: EtcdTls | undefined;
};

export const etcd: SourceKind<EtcdSettings> = {
  describe: ({ addresses, api }) =>
    `etcd${api === 'v2' ? ' (v2 keys)' : ''} at ${addresses.map(formatAddress).join(', ')}`,
  shared: (settings) => `the ${etcd.describe(settings)}`,
  withoutSecrets: (settings) => ({
    ...settings,
    password: settings.password === '' ? '' : '(set)',
  }),
  checkFiles: ({ tls }) => {
    if (tls !== undefined) checkEtcdTls(tls);
  },
  openStore: (settings, log) => openEtcd({ ...settings, log }),
  open: async (settings, { log, prefix }) => {
    const store = openEtcd({ ...settings, log });
    return {
      source: recordSource({ store, prefix, log }),
      store,
      meeting: store,
      address: undefined,
      close: async () => store.close(),
    };
  },
};
