// A real Consul cluster of three that loses its leader: reads and writes go on, a watch misses
// nothing and never reports an empty list.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConsulServer,
  type RunningConsul,
  startConsul,
} from '../../../test/support/peers/programs.ts';
import { openClient, sendRaw } from '../../../test/support/registry/builders.ts';
import { Seen } from '../../../test/support/registry/store-contract.ts';

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

  const leader = await leaderOf(consul);
  await leader.kill('SIGKILL');
  // The address that the client used first may be the dead one: it finds another by itself.
  assert.equal(await registry.put('w/a', '1'), true);
  await seen.until('a=1');
  const entry = await registry.get('w/a');
  assert.equal(await registry.put('w/a', '2', { cas: entry?.modifyIndex ?? 0 }), true);
  await seen.until('a=2');
  assert(
    seen.states.every((state) => /^a=[012]$/.test(state)),
    `never empty: ${seen.states}`,
  );
  assert.equal(health.at(-1), true);
});

/** The server that says of itself that it leads. */
async function leaderOf({ addresses, servers }: RunningConsul): Promise<ConsulServer> {
  for (const [at, address] of addresses.entries()) {
    const self = await sendRaw(address, 'GET /v1/agent/self HTTP/1.0\r\n\r\n');
    if (/"leader":\s*"true"/.test(self.body)) return servers[at] ?? assert.fail();
  }
  return assert.fail('no server says that it leads');
}
