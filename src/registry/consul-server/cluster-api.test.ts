// What is asked of a cluster, of one server.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startConsul } from '../../../test/support/peers/programs.ts';
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
  assert.equal((await ask(address, 'GET /v1/operator/autopilot/health')).status, 403);
  assert.equal((await ask(address, 'GET /v1/operator/autopilot/configuration')).status, 403);
  const set = { body: '{"CleanupDeadServers":false}' };
  assert.equal((await ask(address, 'PUT /v1/operator/autopilot/configuration', set)).status, 403);
  const line = 'GET /v1/operator/raft/configuration?token=m';
  assert.equal((await ask(address, line)).status, 200);
});

test('what an operator sets for the autopilot is kept as a real Consul keeps it', async (t) => {
  const consul = await startConsul(t);
  if (consul === undefined) return;
  const ours = await startEmbedded(t);
  const path = '/v1/operator/autopilot/configuration';
  const seen: unknown[] = [];
  for (const address of [ours.address, consul.addresses[0] ?? assert.fail()]) {
    const index = async (): Promise<number> =>
      JSON.parse((await ask(address, `GET ${path}`)).body).ModifyIndex;
    // A real one has its configuration a little after its leader.
    const deadlineMs = performance.now() + 20_000;
    while ((await ask(address, `GET ${path}`)).status !== 200 && performance.now() < deadlineMs) {
      await delay(100);
    }
    const set = async (parameters: string, body: string): Promise<unknown> => {
      const answer = await ask(address, `PUT ${path}${parameters}`, { body });
      return [answer.status, answer.body.trim()];
    };
    const first = await index();
    seen.push([
      await set(`?cas=${first - 1}`, '{"CleanupDeadServers":false}'),
      await set(`?cas=${first}`, '{"CleanupDeadServers":false,"LastContactThreshold":"3s"}'),
      await set(`?cas=${first}`, '{"CleanupDeadServers":true}'),
      await set('?cas=x', '{}'),
      await set('', '{"LastContactThreshold":"often"}'),
      await set('', '{"MaxTrailingLogs":7}'),
      { ...JSON.parse((await ask(address, `GET ${path}`)).body), CreateIndex: 0, ModifyIndex: 0 },
    ]);
  }
  assert.deepEqual(seen[0], seen[1]);
});

test('a peer that is not there is not removed, in the words of a real Consul', async (t) => {
  const ours = await startEmbedded(t, { serverAddress: { host: '127.0.0.1', port: 8300 } });
  const path = 'DELETE /v1/operator/raft/peer';
  const own = await ask(ours.address, `${path}?address=127.0.0.1:8300`);
  assert.deepEqual([own.status, /only server/.test(own.body)], [501, true]);
  const consul = await startConsul(t);
  if (consul === undefined) return;
  for (const parameters of ['', '?address=nope', '?id=nope', '?id=a&address=b']) {
    const mine = await ask(ours.address, path + parameters);
    const real = await ask(consul.addresses[0] ?? assert.fail(), path + parameters);
    assert.deepEqual([mine.status, mine.body], [real.status, real.body], parameters);
  }
});

test('where there is no mesh the answer has the words that clients look for', async (t) => {
  const { address } = await startEmbedded(t);
  for (const path of ['connect/ca/roots', 'agent/connect/ca/roots']) {
    const answer = await ask(address, `GET /v1/${path}`);
    assert.equal(answer.status, 501);
    assert.match(answer.body, /Connect must be enabled in order to use this endpoint/);
  }
});

test('what an operator reads of one server has the shape that a real Consul gives it', async (t) => {
  const consul = await startConsul(t);
  if (consul === undefined) return;
  const theirs = consul.addresses[0] ?? assert.fail();
  const ours = await startEmbedded(t);
  // A leader that has just been found is not healthy yet.
  const health = 'GET /v1/operator/autopilot/health';
  const deadlineMs = performance.now() + 20_000;
  while ((await ask(theirs, health)).status !== 200 && performance.now() < deadlineMs) {
    await delay(100);
  }
  for (const path of ['autopilot/configuration', 'autopilot/health', 'raft/configuration']) {
    const line = `GET /v1/operator/${path}`;
    const [own, real] = [await ask(ours.address, line), await ask(theirs, line)];
    assert.deepEqual([own.status, shapeOf(own.body)], [real.status, shapeOf(real.body)], line);
  }
  const own = JSON.parse((await ask(ours.address, health)).body);
  const real = JSON.parse((await ask(theirs, health)).body);
  assert.deepEqual([own.Healthy, own.FailureTolerance], [real.Healthy, real.FailureTolerance]);
  const defaults = 'GET /v1/operator/autopilot/configuration';
  const without = (text: string): string => text.replace(/"(Create|Modify)Index":\s*\d+/g, '');
  assert.equal(
    without(JSON.stringify(JSON.parse((await ask(ours.address, defaults)).body))),
    without(JSON.stringify(JSON.parse((await ask(theirs, defaults)).body))),
  );
});

/** Names in their order, and of which kind each value is. */
function shapeOf(json: string): string {
  return JSON.stringify(JSON.parse(json), (_name, value: unknown) =>
    typeof value === 'object' ? value : typeof value,
  );
}
