// A real Consul cluster of three that loses its leader: reads and writes go on, a watch misses
// nothing and never reports an empty list.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startConsul } from '../../test/peers.ts';
import { ask, openClient } from '../../test/registry-builders.ts';
import { Seen } from '../../test/registry-contract.ts';

test('losing the leader of three costs neither a write nor the watch', async (t) => {
  const consul = await startConsul(t, { servers: 3 });
  if (consul === undefined) return;
  const registry = openClient(t, consul.addresses);
  await registry.put('w/a', '0');
  const seen = new Seen();
  const health: boolean[] = [];
  const watch = registry.watch('w/', {
    onState: seen.onState,
    onHealth: ({ reachable }) => health.push(reachable),
  });
  t.after(() => watch.close());
  await seen.until('a=0');

  const leader = await leaderOf(consul.addresses, consul.servers);
  await leader.kill('SIGKILL');
  // The address that the client used first may be the dead one: it finds another by itself.
  assert.equal(await registry.put('w/a', '1'), true);
  await seen.until('a=1');
  const entry = await registry.read('w/a');
  assert.equal(await registry.put('w/a', '2', { cas: entry?.modifyIndex ?? 0 }), true);
  await seen.until('a=2');
  assert(
    seen.states.every((state) => /^a=[012]$/.test(state)),
    `never empty: ${seen.states}`,
  );
  assert.equal(health.at(-1), true);
});

type Servers = NonNullable<Awaited<ReturnType<typeof startConsul>>>['servers'];
type Addresses = NonNullable<Awaited<ReturnType<typeof startConsul>>>['addresses'];

/** The server whose own raft address the cluster names as the leader's. */
async function leaderOf(addresses: Addresses, servers: Servers): Promise<Servers[number]> {
  for (const [at, address] of addresses.entries()) {
    const [leader, self] = await Promise.all([
      ask(address, 'GET /v1/status/leader'),
      ask(address, 'GET /v1/agent/self'),
    ]);
    const document: unknown = JSON.parse(self.body);
    if (
      JSON.stringify(document).includes(`"leader_addr":${JSON.stringify(JSON.parse(leader.body))}`)
    ) {
      if (JSON.stringify(document).includes('"leader":"true"')) return servers[at] ?? assert.fail();
    }
  }
  return assert.fail('no server says that it leads');
}
