// Two gateways on a Consul cluster of three, under load, while its servers stand still, die and come back:
// no request is lost, every change arrives on both, and a drain is over when both say so.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { formatAddress } from '../src/base/units.ts';
import {
  awaitIdle,
  daemonConfig,
  eligibleServers,
  get,
  type RunningDaemon,
  runDaemon,
  setAdmin,
  startServer,
  status,
  type TestServer,
  temporaryDir,
} from './support/daemon/builders.ts';
import { openClient } from './support/registry/builders.ts';
import {
  type ConsulCluster,
  type ConsulNode,
  startConsulCluster,
} from './support/registry/consul-cluster.ts';

/** Far above what is seen (docs/registry.md), and below what blindness costs: 68 s and 27 s. */
const DEADLINE_MS = 25_000;

type Scene = {
  readonly cluster: ConsulCluster;
  readonly gateways: readonly RunningDaemon[];
  readonly servers: readonly TestServer[];
  readonly load: Load;
};

/** Two gateways, one that asks the leader first and one that asks a follower first, and load on both. */
async function scene(t: TestContext): Promise<Scene | undefined> {
  const cluster = await startConsulCluster(t);
  if (cluster === undefined) return undefined;
  const servers = [await startServer(t), await startServer(t), await startServer(t)];
  const store = openClient(t, cluster.addresses);
  for (const { id } of servers) await store.put(`upstreams/app/${id}`, '{"weight":1}');
  const leader = await cluster.leader();
  const followers = await cluster.followers();
  const gateways: RunningDaemon[] = [];
  for (const order of [
    [leader, ...followers],
    [...followers, leader],
  ]) {
    const addresses = order.map(({ address }) => `"${formatAddress(address)}"`).join(', ');
    const yaml = `workers: 1
registry: { consul: { addresses: [${addresses}] } }
upstreams: { app: {} }`;
    gateways.push(await runDaemon(t, daemonConfig(yaml, temporaryDir(t))));
  }
  await within('all servers are known, and each gateway to the other', async () => {
    const documents = await Promise.all(gateways.map(({ control }) => status(control)));
    return documents.every(
      ({ gateways: known, upstreams }) =>
        known.filter(({ state }) => state === 'live').length === 2 &&
        upstreams[0]?.servers.length === servers.length,
    );
  });
  const load = new Load(gateways.map(({ gateway }) => gateway));
  t.after(() => load.stop());
  return { cluster, gateways, servers, load };
}

/** Requests one after the other at each gateway; what is not a 200 is kept. */
class Load {
  readonly failed: string[] = [];
  answered = 0;
  readonly #ends: readonly Promise<void>[];
  #isOver = false;

  constructor(gateways: readonly string[]) {
    this.#ends = gateways.map((gateway) => this.#run(gateway));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#ends);
  }

  async #run(gateway: string): Promise<void> {
    while (!this.#isOver) {
      const said = await get(gateway).then(
        ({ status: code, body }) => (code === 200 ? '' : `${code} ${body}`),
        (error: Error) => error.message,
      );
      if (said === '') this.answered++;
      else this.failed.push(said);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function within(what: string, isTrue: () => Promise<boolean>): Promise<number> {
  const startedMs = performance.now();
  while (!(await isTrue())) {
    assert(performance.now() - startedMs < DEADLINE_MS, `not in ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return Math.round(performance.now() - startedMs);
}

/** Writes a server down, or up again, through the healthy nodes; says when both gateways have it. */
async function change(
  t: TestContext,
  { gateways, servers, load }: Scene,
  through: readonly ConsulNode[],
  what: string,
): Promise<void> {
  const [first] = servers;
  assert(first !== undefined);
  const addresses = through.map(({ address }) => address);
  for (const down of [1, 0]) {
    const store = openClient(t, addresses);
    const startedMs = performance.now();
    await store.put(`upstreams/app/${first.id}`, JSON.stringify({ weight: 1, down }));
    const writtenMs = Math.round(performance.now() - startedMs);
    const seen = await Promise.all(
      gateways.map(({ control }) =>
        within(`${what}, down=${down}`, async () => {
          const eligible = await eligibleServers(control);
          return (
            eligible.length === servers.length - down &&
            eligible.includes(first.id) !== (down === 1)
          );
        }),
      ),
    );
    t.diagnostic(
      `${what}, down=${down}: written after ${writtenMs} ms, seen after ${seen.join(' and ')} ms`,
    );
  }
  assert.deepEqual(load.failed, [], what);
}

test('agents that stand still or die cost no request, and no gateway misses a change', async (t) => {
  const it = await scene(t);
  if (it === undefined) return;
  const { cluster, gateways, servers, load } = it;
  for (const [what, pick] of [
    ['a follower', async () => (await cluster.followers())[0]],
    ['the leader', () => cluster.leader()],
  ] as const) {
    const frozen = await pick();
    assert(frozen !== undefined);
    const healthy = cluster.nodes.filter((node) => node !== frozen);
    frozen.freeze();
    await change(t, it, healthy, `${what} stands still`);
    frozen.thaw();
    await cluster.ready();
    await change(t, it, cluster.nodes, `${what} goes on`);
  }
  for (const [what, pick] of [
    ['a follower', async () => (await cluster.followers())[0]],
    ['the leader', () => cluster.leader()],
  ] as const) {
    const dead = await pick();
    assert(dead !== undefined);
    await dead.kill();
    await change(
      t,
      it,
      cluster.nodes.filter((node) => node !== dead),
      `${what} is dead`,
    );
    dead.start();
    await cluster.ready();
  }
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  await within('nobody is left', async () =>
    (await Promise.all(gateways.map(({ control }) => status(control)))).every(
      ({ upstreams }) => upstreams[0]?.servers.length === servers.length,
    ),
  );
  for (const node of cluster.nodes) node.start();
  await cluster.ready();
  await change(t, it, cluster.nodes, 'all have been restarted');
  await load.stop();
  assert.deepEqual(load.failed, []);
  assert(load.answered > 100);
});

test('a drain is over on both gateways while an agent stands still', async (t) => {
  const it = await scene(t);
  if (it === undefined) return;
  const { cluster, gateways, servers, load } = it;
  const [a, b] = gateways;
  const [first] = servers;
  assert(a !== undefined && b !== undefined && first !== undefined);
  for (const pick of [async () => (await cluster.followers())[0], () => cluster.leader()]) {
    const frozen = await pick();
    frozen?.freeze();
    for (const state of ['drain', 'ready']) {
      const startedMs = performance.now();
      const answer = await setAdmin(a.control, first.id, { state, reason: 'cluster' });
      assert.equal(answer.status, 200, await answer.text());
      if (state === 'drain') {
        const { idle } = await awaitIdle(a.control, first.id, '45s');
        assert.equal(idle, true);
      }
      const wanted = servers.length - (state === 'drain' ? 1 : 0);
      for (const { control } of gateways) {
        await within(
          `${state} on both`,
          async () => (await eligibleServers(control)).length === wanted,
        );
      }
      t.diagnostic(`${state}: ${Math.round(performance.now() - startedMs)} ms`);
    }
    frozen?.thaw();
    await cluster.ready();
  }
  await load.stop();
  assert.deepEqual(load.failed, []);
});
