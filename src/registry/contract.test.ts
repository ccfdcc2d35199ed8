// The contract of every registry, on the embedded one and on a real Consul.

import { startConsul } from '../../test/peers.ts';
import { openClient, startEmbedded } from '../../test/registry-builders.ts';
import { registryContract } from '../../test/registry-contract.ts';

registryContract('embedded', async (t) => {
  const { address } = await startEmbedded(t);
  return openClient(t, [address], { waitMs: 5_000 });
});

registryContract('consul', async (t) => {
  const consul = await startConsul(t);
  return consul === undefined ? undefined : openClient(t, consul.addresses, { waitMs: 5_000 });
});
