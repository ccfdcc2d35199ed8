// What is asked of a cluster, of one server.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, startEmbedded } from '../../../test/support/registry/builders.ts';

test('one server is its own leader and the only node on the map', async (t) => {
  const { address } = await startEmbedded(t, { nodeName: 'n', datacenter: 'here' });
  const raft = JSON.parse((await ask(address, 'GET /v1/operator/raft/configuration')).body);
  const leader = JSON.parse((await ask(address, 'GET /v1/status/leader')).body);
  assert.equal(raft.Servers.length, 1);
  assert.deepEqual([raft.Servers[0].Leader, raft.Servers[0].Address], [true, leader]);
  const centres = JSON.parse((await ask(address, 'GET /v1/coordinate/datacenters')).body);
  assert.deepEqual([centres[0].Datacenter, centres[0].Coordinates[0].Node], ['here', 'n.here']);
  const nodes = JSON.parse((await ask(address, 'GET /v1/coordinate/nodes')).body);
  assert.deepEqual([nodes.length, nodes[0].Node], [1, 'n']);
  assert.equal((await ask(address, 'GET /v1/coordinate/node/n')).status, 200);
  assert.equal((await ask(address, 'GET /v1/coordinate/node/other')).status, 404);
});

test('the map and the peers are closed to who may not see them', async (t) => {
  const { address } = await startEmbedded(t, { acl: { initialManagementToken: 'm' } });
  assert.equal((await ask(address, 'GET /v1/operator/raft/configuration')).status, 403);
  assert.equal((await ask(address, 'GET /v1/coordinate/nodes')).body, '[]');
  const line = 'GET /v1/operator/raft/configuration?token=m';
  assert.equal((await ask(address, line)).status, 200);
});
