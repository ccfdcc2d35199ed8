// The contract of every store of records, on the embedded one and on a real Consul.

import { startConsul } from '../../test/support/peers/programs.ts';
import { openClient, startEmbedded } from '../../test/support/registry/builders.ts';
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
