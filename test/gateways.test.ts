// Several gateways on one registry: a drain, a guard and a receipt hold for all of them, whichever is asked.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DrainDocument, ReceiptDocument, StatusDocument } from '../src/admin.ts';
import { silentLog } from '../src/base/log.ts';
import { type Address, formatAddress } from '../src/base/units.ts';
import type { RecordStore } from '../src/registry.ts';
import { openSnapshot } from '../src/snapshot.ts';
import { freePort } from './support/base/ports.ts';
import { sluice } from './support/cli/process.ts';
import {
  awaitIdle,
  daemonConfig,
  get,
  type RunningDaemon,
  runDaemon,
  runDaemonProcess,
  setAdmin,
  startServer,
  status,
  type TestServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { startConsul } from './support/peers/programs.ts';
import { openClient, startEmbedded } from './support/registry/builders.ts';
import { openEtcdClient, type RunningEtcd, startEtcd } from './support/registry/etcd-cluster.ts';

type Scene = {
  readonly a: RunningDaemon;
  readonly b: RunningDaemon;
  readonly servers: readonly TestServer[];
  readonly store: RecordStore;
};

/** What gateways share: the section of the configuration, and a client beside them. */
type Shared = { readonly section: string; open(t: TestContext): RecordStore };

function consulAt(registry: Address): Shared {
  return {
    section: `{ consul: { addresses: ["${formatAddress(registry)}"] } }`,
    open: (t) => openClient(t, [registry]),
  };
}

function etcdAt(etcd: RunningEtcd, api: 'v3' | 'v2'): Shared {
  const list = etcd.addresses.map((address) => `"${formatAddress(address)}"`);
  return {
    section: `{ etcd: { addresses: [${list}], api: ${api} } }`,
    open: (t) => openEtcdClient(t, etcd.addresses, { api }),
  };
}

function yamlOf(registry: Address | Shared, more = ''): string {
  const { section } = 'section' in registry ? registry : consulAt(registry);
  return `registry: ${section}\nupstreams: { app: { ${more} } }`;
}

async function register(store: RecordStore, servers: readonly TestServer[]): Promise<void> {
  for (const { id } of servers) await store.put(`upstreams/app/${id}`, '{"weight":1}');
}

/** Two gateways that see each other and `count` servers. */
async function scene(
  t: TestContext,
  registry: Address | Shared,
  count = 2,
  more = '',
): Promise<Scene> {
  const servers = await Promise.all(Array.from({ length: count }, () => startServer(t)));
  const store = ('section' in registry ? registry : consulAt(registry)).open(t);
  await register(store, servers);
  const yaml = yamlOf(registry, more);
  const a = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  const b = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  await together(a, b);
  return { a, b, servers, store };
}

async function together(...gateways: readonly { readonly control: string }[]): Promise<void> {
  await until('all see each other and agree', async () => {
    const documents = await Promise.all(gateways.map(({ control }) => status(control)));
    return documents.every(
      ({ gateways: known, upstreams }) =>
        known.filter(({ state, current }) => state === 'live' && current).length ===
          gateways.length && (upstreams[0]?.servers.length ?? 0) > 0,
    );
  });
}

type StartShared = (t: TestContext) => Promise<Address | Shared | undefined>;

const startEtcdOf =
  (api: 'v3' | 'v2'): StartShared =>
  async (t) => {
    const etcd = await startEtcd(t, { argv: ['--enable-v2'] });
    return etcd === undefined ? undefined : etcdAt(etcd, api);
  };

const REGISTRIES: readonly (readonly [string, StartShared])[] = [
  ['embedded', async (t) => (await startEmbedded(t)).address],
  ['consul', async (t) => (await startConsul(t))?.addresses[0]],
  ['etcd', startEtcdOf('v3')],
  ['etcd, v2 keys', startEtcdOf('v2')],
];

for (const [kind, start] of REGISTRIES) {
  test(`${kind}: a drain through one gateway is over when the other has nothing in flight`, async (t) => {
    const registry = await start(t);
    if (registry === undefined) return;
    const { a, b, servers } = await scene(t, registry);
    const held = await Promise.all(
      [1, 2].map(() => get(`${b.gateway}/hold`)).map(started(servers)),
    );
    const busy = servers.find((server) => server.held.length > 0);
    assert(busy !== undefined);
    const asked = await setAdmin(a.control, busy.id, { state: 'drain' });
    const answer = (await asked.json()) as DrainDocument;
    assert.equal(answer.idle, false);
    await until('b has confirmed it', async () => {
      const drain = await awaitIdle(a.control, busy.id, '0s');
      return drain.acknowledged && drain.inFlight > 0;
    });
    for (let i = 0; i < 6; i += 1) {
      for (const { gateway } of [a, b]) {
        const { status: code, body } = await get(gateway);
        assert.equal(code, 200);
        assert.notEqual(body, busy.id, 'nothing new goes to a drained server');
      }
    }
    const over = awaitIdle(a.control, busy.id, '10s');
    for (const server of servers) for (const response of server.held) response.end('late');
    const drain = await over;
    assert.equal(drain.idle, true);
    assert.equal(drain.scope.heard.length, 1);
    assert.deepEqual(drain.scope.unheard, []);
    assert.deepEqual(
      (await Promise.all(held.map((one) => one()))).map(({ body }) => body),
      ['late', 'late'],
    );
    // The other one gives it back, and both use it.
    const back = await setAdmin(b.control, busy.id, { state: 'ready' });
    assert.equal(((await back.json()) as DrainDocument).acknowledged, true);
    for (const { gateway } of [a, b]) {
      const seen = new Set<string>();
      for (let i = 0; i < 4; i += 1) seen.add((await get(gateway)).body);
      assert.equal(seen.size, 2);
    }
  });

  test(`${kind}: two people on two gateways cannot take both of the last two servers`, async (t) => {
    const registry = await start(t);
    if (registry === undefined) return;
    const { a, b, servers } = await scene(t, registry);
    const [one, two] = servers;
    assert(one !== undefined && two !== undefined);
    for (let round = 0; round < 5; round += 1) {
      const answers: Response[] = await Promise.all([
        setAdmin(a.control, one.id, { state: 'drain', keepEligible: 1 }),
        setAdmin(b.control, two.id, { state: 'drain', keepEligible: 1 }),
      ]);
      assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 409]);
      for (const { id } of servers) await setAdmin(a.control, id, { state: 'ready' });
      await together(a, b);
    }
  });
}

/** Resolves when the request is held by one of the servers, with a way to its answer. */
function started(servers: readonly TestServer[]) {
  return async <T>(answer: Promise<T>, index: number): Promise<() => Promise<T>> => {
    const count = (): number => servers.reduce((sum, { held }) => sum + held.length, 0);
    await until('it is held', () => count() > index);
    return () => answer;
  };
}

for (const api of ['v3', 'v2'] as const) {
  test(`etcd ${api}: a drain holds on both gateways while a member stands still`, async (t) => {
    const etcd = await startEtcd(t, { members: 3, argv: ['--enable-v2'] });
    if (etcd === undefined) return;
    const { a, b, servers } = await scene(t, etcdAt(etcd, api));
    const [one, two] = servers;
    assert(one !== undefined && two !== undefined);
    for (const [victim, server] of [
      [await etcd.leader(), one],
      [etcd.members[0] ?? assert.fail(), two],
    ] as const) {
      victim.freeze();
      const drained = await setAdmin(a.control, server.id, { state: 'drain', keepEligible: 1 });
      assert.equal(drained.status, 200, await drained.text());
      const drain = await awaitIdle(a.control, server.id, '20s');
      assert.deepEqual([drain.idle, drain.scope.unheard], [true, []], JSON.stringify(drain));
      assert.equal(serverOf(await status(b.control), server.id).admin.state, 'drain');
      for (const { gateway } of [a, b]) assert.notEqual((await get(gateway)).body, server.id);
      const back = await setAdmin(b.control, server.id, { state: 'ready' });
      assert.equal(back.status, 200, await back.text());
      victim.thaw();
      await etcd.ready();
      await together(a, b);
    }
  });
}

test('the guard counts what every gateway can use', async (t) => {
  const { address } = await startEmbedded(t);
  const { a, b, servers, store } = await scene(t, address);
  const [one] = servers;
  assert(one !== undefined);
  const dead = `127.0.0.1:${await freePort()}`;
  await store.put(`upstreams/app/${dead}`, '{"weight":1,"max_fails":1}');
  await until('both have it', async () =>
    (await Promise.all([a, b].map(({ control }) => status(control)))).every(
      ({ upstreams }) => upstreams[0]?.servers.length === 3,
    ),
  );
  // Only b has met its failure: it is ejected there, and a's own requests know nothing of it.
  for (let i = 0; i < 3; i += 1) assert.equal((await get(b.gateway)).status, 200);
  await until(
    'a hears of it',
    async () => serverOf(await status(a.control), dead).outElsewhere.length > 0,
  );
  const { outElsewhere, eligibility } = serverOf(await status(a.control), dead);
  assert.deepEqual([eligibility, outElsewhere[0]?.eligibility], ['ok', 'ejected']);
  const refused = await setAdmin(a.control, one.id, { state: 'drain', keepEligible: 2 });
  assert.equal(refused.status, 409);
  assert.match(await refused.text(), new RegExp(`${dead} out on pid ${process.pid} on `));
  const allowed = await setAdmin(a.control, one.id, { state: 'drain', keepEligible: 1 });
  assert.equal(allowed.status, 200);
});

function serverOf({ upstreams }: StatusDocument, id: string) {
  const server = upstreams[0]?.servers.find((candidate) => candidate.id === id);
  assert(server !== undefined);
  return server;
}

test('a drain stands in the record for upsync, and what others wrote there stays', async (t) => {
  const { address } = await startEmbedded(t);
  const { a, b, servers, store } = await scene(t, address);
  const [one] = servers;
  assert(one !== undefined);
  const key = `upstreams/app/${one.id}`;
  const record = async (): Promise<unknown> =>
    JSON.parse(Buffer.from((await store.get(key))?.value ?? []).toString());
  await setAdmin(a.control, one.id, { state: 'drain' });
  assert.deepEqual(await record(), { weight: 1, down: 1, 'x-sluice-down': 1 });
  assert.equal(serverOf(await status(b.control), one.id).admin.owner, 'user:test');
  await setAdmin(b.control, one.id, { state: 'ready' });
  assert.deepEqual(await record(), { weight: 1, down: 0 });
  // A pipeline of old says down itself: giving the server back is not for us.
  await setAdmin(a.control, one.id, { state: 'drain' });
  await store.put(key, '{"weight":2,"down":1}');
  await setAdmin(b.control, one.id, { state: 'ready' });
  assert.deepEqual(await record(), { weight: 2, down: 1 });
  await until('it is down by the record', async () =>
    (await Promise.all([a, b].map(({ control }) => status(control)))).every(
      (document) => serverOf(document, one.id).admin.owner === 'kv',
    ),
  );
});

test('the host of the registry writes a drain into the record as any other gateway does', async (t) => {
  const yaml = 'registry: { embedded: { listen: "127.0.0.1:0" } }\nupstreams: { app: {} }';
  const a = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  const registry = a.addresses.registry ?? assert.fail();
  const server = await startServer(t);
  const store = openClient(t, [registry]);
  await register(store, [server]);
  const record = async (): Promise<unknown> =>
    JSON.parse(
      Buffer.from((await store.get(`upstreams/app/${server.id}`))?.value ?? []).toString(),
    );
  const b = await runDaemon(t, daemonConfig(yamlOf(registry), temporaryDir(t)));
  await together(a, b);
  await setAdmin(a.control, server.id, { state: 'drain' });
  assert.deepEqual(await record(), { weight: 1, down: 1, 'x-sluice-down': 1 });
  await b.close();
  await setAdmin(a.control, server.id, { state: 'ready' });
  assert.deepEqual(await record(), { weight: 1, down: 0 });
});

test('a server whose give-back waited when its gateway ended is out at the next start', async (t) => {
  const registry = { host: '127.0.0.1', port: await freePort() };
  const server = await startServer(t);
  const dir = temporaryDir(t);
  const base = { state: 'drain', owner: 'user:test', reason: '', sinceMs: 1 } as const;
  const admin = { state: 'ready', owner: '', reason: '', sinceMs: 0 } as const;
  const snapshot = openSnapshot({ stateDir: join(dir, 'state'), log: silentLog });
  snapshot.saveOverrides([{ upstream: 'app', server: server.id, admin, base }]);
  await snapshot.close();
  const servers = `servers: [{ address: "${server.id}" }]`;
  const { control, gateway } = await runDaemon(t, daemonConfig(yamlOf(registry, servers), dir));
  const waits = serverOf(await status(control), server.id);
  assert.deepEqual([waits.admin.state, waits.givenBack], ['drain', true]);
  assert.equal((await get(gateway)).status, 503);
});

test('a gateway says whose place it has taken', async (t) => {
  const { address } = await startEmbedded(t);
  const store = openClient(t, [address]);
  const dir = temporaryDir(t);
  const records = async (): Promise<readonly { readonly id: string; readonly text: string }[]> =>
    (await store.list('sluice/shared/gateways/')).entries.map(({ key, value }) => ({
      id: key.split('/').at(-1) ?? '',
      text: Buffer.from(value).toString(),
    }));
  const first = await runDaemon(t, daemonConfig(yamlOf(address), dir));
  const [before] = await records();
  await first.close();
  await runDaemon(t, daemonConfig(yamlOf(address), dir));
  const [after] = await records();
  assert(before !== undefined && after !== undefined && before.id !== after.id);
  assert.match(after.text, new RegExp(`"replaces":"${before.id}"`));
});

test('write_down: off leaves the record alone', async (t) => {
  const { address } = await startEmbedded(t);
  const { a, servers, store } = await scene(t, address, 2, 'write_down: off');
  const [one] = servers;
  assert(one !== undefined);
  await setAdmin(a.control, one.id, { state: 'drain' });
  const entry = await store.get(`upstreams/app/${one.id}`);
  assert.equal(Buffer.from(entry?.value ?? []).toString(), '{"weight":1}');
});

test('one that comes later has taken out what was taken out before its first request', async (t) => {
  const { address } = await startEmbedded(t);
  const { a, servers } = await scene(t, address);
  const [one] = servers;
  assert(one !== undefined);
  await setAdmin(a.control, one.id, { state: 'maint', reason: 'disk' });
  const late = await runDaemon(
    t,
    daemonConfig(yamlOf(address, 'write_down: off'), temporaryDir(t)),
  );
  const { admin } = serverOf(await status(late.control), one.id);
  assert.deepEqual([admin.state, admin.owner, admin.reason], ['maint', 'user:test', 'disk']);
});

test('a receipt is the sum over all gateways, also of one that has left', async (t) => {
  const { address } = await startEmbedded(t);
  const { a, b } = await scene(t, address);
  const opened = await fetch(`${a.control}/api/upstreams/app/receipts`, { method: 'POST' });
  const { id, gateways } = (await opened.json()) as ReceiptDocument;
  assert.equal(gateways.length, 2);
  const read = async (control: string): Promise<ReceiptDocument> =>
    (await (await fetch(`${control}/api/receipts/${id}`)).json()) as ReceiptDocument;
  for (let i = 0; i < 3; i += 1) await get(a.gateway);
  for (let i = 0; i < 4; i += 1) await get(b.gateway);
  const both = await read(a.control);
  assert.deepEqual([both.requests, both.answered, both.lost, both.complete], [7, 7, 0, true]);
  assert.deepEqual(
    both.gateways.map(({ requests }) => requests),
    [3, 4],
  );
  assert.equal(
    both.servers.reduce((sum, { answered }) => sum + answered, 0),
    7,
  );
  // Whichever is asked.
  assert.equal((await read(b.control)).requests, 7);
  // One that comes meanwhile counts from its start.
  const late = await runDaemon(t, daemonConfig(yamlOf(address), temporaryDir(t)));
  await get(late.gateway);
  await until('it is on the receipt', async () => (await read(a.control)).requests === 8);
  await get(b.gateway);
  await b.close();
  const after = await read(a.control);
  assert.deepEqual([after.requests, after.answered, after.complete], [9, 9, true]);
  assert.equal(after.gateways.length, 3);
});

test('a gateway that is killed is silent: named, not waited for, and its counts are missing', async (t) => {
  const { address } = await startEmbedded(t);
  const servers = await Promise.all([startServer(t), startServer(t)]);
  const store = openClient(t, [address]);
  await register(store, servers);
  const a = await runDaemon(t, daemonConfig(yamlOf(address), temporaryDir(t)));
  const b = await runDaemonProcess(t, daemonConfig(yamlOf(address), temporaryDir(t)));
  await together(a, b);
  const opened = await fetch(`${a.control}/api/upstreams/app/receipts`, { method: 'POST' });
  const { id } = (await opened.json()) as ReceiptDocument;
  b.process.kill('SIGKILL');
  const [one] = servers;
  await setAdmin(a.control, one.id, { state: 'drain' });
  // It may still serve, as far as anybody knows.
  assert.equal((await awaitIdle(a.control, one.id, '100ms')).idle, false);
  const refused = await setAdmin(a.control, servers[1].id, { state: 'drain', keepEligible: 0 });
  assert.match(await refused.text(), /did not say which servers can be used there/);
  const drain = await awaitIdle(a.control, one.id, '30s');
  assert.equal(drain.idle, true);
  assert.match(
    drain.scope.unheard.join(),
    new RegExp(`^pid ${b.process.pid} on .* \\(silent since`),
  );
  const read = await fetch(`${a.control}/api/receipts/${id}`);
  const receipt = (await read.json()) as ReceiptDocument;
  assert.equal(receipt.complete, false);
  assert.match(receipt.gateways[1]?.missing ?? '', /^silent, nothing after /);
  const [, other] = (await status(a.control)).gateways;
  assert.equal(other?.state, 'silent');
});

test('while the registry is away a word holds on one gateway, and then on all', async (t) => {
  const dataDir = temporaryDir(t);
  const first = await startEmbedded(t, { dataDir });
  const { a, b, servers } = await scene(t, first.address);
  const [one, two] = servers;
  assert(one !== undefined && two !== undefined);
  await setAdmin(a.control, two.id, { state: 'drain' });
  await together(a, b);
  await first.api.close();
  first.store.close();
  await until('both know', async () =>
    (await Promise.all([a, b].map(({ control }) => status(control)))).every(
      ({ scope }) => scope.unheard.length > 0,
    ),
  );
  const drained = await setAdmin(a.control, one.id, { state: 'drain' });
  assert.equal(drained.status, 200);
  const drain = await awaitIdle(a.control, one.id, '5s');
  assert.equal(drain.idle, true);
  assert.match(drain.scope.unheard.join(), /the registry is away/);
  const guarded = await setAdmin(a.control, one.id, { state: 'maint', keepEligible: 0 });
  assert.equal(guarded.status, 409, 'nobody can say what the other one can use');
  // The other one may still say to somebody that it takes nothing.
  const back = await setAdmin(a.control, two.id, { state: 'ready' });
  const waits: DrainDocument = JSON.parse(await back.text());
  assert.deepEqual([waits.givenBack, waits.admin.state], [true, 'drain']);
  assert.equal((await get(a.gateway)).status, 503);
  const said = await sluice(['undrain', 'app', two.id, '--control', a.control]);
  assert.equal(said.code, 1);
  assert.match(said.stderr, /of app: still in drain: the registry is away, and other gateways may/);
  const asked = await awaitIdle(a.control, two.id, '5s');
  assert.deepEqual([asked.idle, asked.givenBack], [false, true], 'not safe to stop');
  const shown = await sluice(['status', 'app', '--control', a.control]);
  assert.match(shown.stdout, /given back: in force when the registry is back/);
  assert.equal(serverOf(await status(b.control), one.id).admin.state, 'ready');
  assert.equal(serverOf(await status(b.control), two.id).admin.state, 'drain');
  await startEmbedded(t, { dataDir, port: first.address.port });
  await until('the other one has it', async () => {
    const document = await status(b.control);
    return (
      serverOf(document, one.id).admin.state === 'drain' &&
      serverOf(document, two.id).admin.state === 'ready'
    );
  });
  await together(a, b);
  assert.equal((await awaitIdle(b.control, one.id, '5s')).idle, true);
});

test('gateways that follow the services of a Consul meet in its KV', async (t) => {
  const consul = await startConsul(t);
  const registry = consul?.addresses[0];
  if (registry === undefined) return;
  const server = await startServer(t);
  const at = `http://${registry.host}:${registry.port}/v1/agent/service/register`;
  const service = { Name: 'app', Address: '127.0.0.1', Port: server.port };
  assert.equal((await fetch(at, { method: 'PUT', body: JSON.stringify(service) })).status, 200);
  const yaml = `registry: { consul_services: { addresses: ["${registry.host}:${registry.port}"] } }\nupstreams: { app: {} }`;
  const a = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  const b = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  await together(a, b);
  await setAdmin(a.control, server.id, { state: 'drain' });
  const drain = await awaitIdle(a.control, server.id, '5s');
  assert.deepEqual([drain.idle, drain.scope.heard.length], [true, 1]);
  assert.equal((await get(b.gateway)).status, 503);
});

test('what an earlier run knew is out at the start; the registry has the last word', async (t) => {
  const { address } = await startEmbedded(t);
  const servers = await Promise.all([startServer(t), startServer(t), startServer(t)]);
  const store = openClient(t, [address]);
  await register(store, servers);
  const [alone, shared, waiting] = servers.map(({ id }) => id);
  assert(alone !== undefined && shared !== undefined && waiting !== undefined);
  const dir = temporaryDir(t);
  const drained = { state: 'drain', owner: 'user:test', reason: '', sinceMs: 1 } as const;
  const snapshot = openSnapshot({ stateDir: join(dir, 'state'), log: silentLog });
  snapshot.saveOverrides([{ upstream: 'app', server: alone, admin: drained }]);
  await snapshot.close();
  const key = 'sluice/shared/intents/app';
  const written = async (): Promise<string> =>
    Buffer.from((await store.get(key))?.value ?? []).toString();
  // The registry knows nothing of it: nobody gave it back.
  const first = await runDaemon(t, daemonConfig(yamlOf(address), dir));
  assert.equal(serverOf(await status(first.control), alone).admin.state, 'drain');
  await until('it is in the registry', async () => (await written()).includes(alone));
  await setAdmin(first.control, shared, { state: 'drain' });
  await first.close();
  // Meanwhile somebody gives both back, and a word of ours is still waiting.
  await store.put(key, '{"token":"other","servers":{}}');
  await register(store, servers);
  const again = openSnapshot({ stateDir: join(dir, 'state'), log: silentLog });
  const base = { state: 'ready', owner: '', reason: '', sinceMs: 0 } as const;
  again.saveOverrides([
    ...again.overrides,
    { upstream: 'app', server: waiting, admin: drained, base },
  ]);
  await again.close();
  const second = await runDaemon(t, daemonConfig(yamlOf(address), dir));
  const states = async (): Promise<string> => {
    const document = await status(second.control);
    return servers.map(({ id }) => serverOf(document, id).admin.state).join(' ');
  };
  assert.equal(await states(), 'ready ready drain');
  await until('the waiting one is in the registry', async () =>
    (await written()).includes(waiting),
  );
  assert.equal(await states(), 'ready ready drain');
});
