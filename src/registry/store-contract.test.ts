// The contract of every store of records, on the embedded one, a real Consul and a real etcd.

import { startConsul } from '../../test/support/peers/programs.ts';
import { openClient, startEmbedded } from '../../test/support/registry/builders.ts';
import { openEtcdClient, startEtcd } from '../../test/support/registry/etcd-cluster.ts';
import { leaseContract, storeContract } from '../../test/support/registry/store-contract.ts';
import { embeddedStore } from './embedded.ts';

storeContract('embedded', async (t) => {
  const { address } = await startEmbedded(t);
  return openClient(t, [address], { waitMs: 5_000 });
});

storeContract('embedded, in its own process', async (t) => {
  const { address, store } = await startEmbedded(t);
  return embeddedStore(openClient(t, [address]), store);
});

storeContract('consul', async (t) => {
  const consul = await startConsul(t);
  return consul === undefined ? undefined : openClient(t, consul.addresses, { waitMs: 5_000 });
});

leaseContract('consul', async (t) => {
  const consul = await startConsul(t);
  if (consul === undefined) return undefined;
  return () => openClient(t, consul.addresses, { waitMs: 5_000 });
});

leaseContract('embedded', async (t) => {
  const { address } = await startEmbedded(t);
  return () => openClient(t, [address], { waitMs: 5_000 });
});

storeContract(
  'etcd',
  async (t) => {
    const etcd = await startEtcd(t);
    return etcd === undefined ? undefined : openEtcdClient(t, etcd.addresses);
  },
  { flags: 'refused' },
);

leaseContract('etcd', async (t) => {
  const etcd = await startEtcd(t);
  return etcd === undefined ? undefined : () => openEtcdClient(t, etcd.addresses);
});

const V2 = { argv: ['--enable-v2'] };

storeContract(
  'etcd, v2 keys',
  async (t) => {
    const etcd = await startEtcd(t, V2);
    return etcd === undefined ? undefined : openEtcdClient(t, etcd.addresses, { api: 'v2' });
  },
  { flags: 'refused', bytes: 'refused' },
);

leaseContract('etcd, v2 keys', async (t) => {
  const etcd = await startEtcd(t, V2);
  return etcd === undefined ? undefined : () => openEtcdClient(t, etcd.addresses, { api: 'v2' });
});
