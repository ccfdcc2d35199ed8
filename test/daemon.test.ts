// The whole program: registry, checks, control, workers, over real sockets. Changes that reach the
// traffic, drains that end when they may, and everything that dies on the way.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, symlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ReceiptDocument } from '../src/admin.ts';
import { isSluiceError } from '../src/base/errors.ts';
import { silentLog } from '../src/base/log.ts';
import { startDaemon } from '../src/daemon.ts';
import { openStore, serveConsulApi } from '../src/registry.ts';
import {
  awaitIdle,
  daemonConfig,
  eligibleServers,
  freePort,
  get,
  isAlive,
  put,
  runDaemon,
  runDaemonProcess,
  setAdmin,
  startServer,
  status,
  temporaryDir,
  until,
} from './daemon-builders.ts';
import { startEmbedded } from './registry-builders.ts';

const PLAIN = 'upstreams: { app: {} }';
const CHECKED =
  'upstreams: { app: { check: { type: http, path: /ping, interval: 50ms, rise: 1, fall: 1 } } }';

test('a server that is written to the registry gets traffic, checked ones after they passed', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(CHECKED, temporaryDir(t)));
  const server = await startServer(t);
  server.health = 500;
  assert.equal((await get(daemon.gateway)).status, 503);
  await put(daemon, server.id, '{"weight":1}');
  await until('the first probe has failed', async () => {
    const found = (await status(daemon.control)).upstreams[0]?.servers[0];
    return found?.checks === 'down' && found.eligibility === 'down';
  });
  assert.equal((await get(daemon.gateway)).status, 503);
  server.health = 200;
  await until('the server is up', async () => (await get(daemon.gateway)).status === 200);
  assert.deepEqual(await get(daemon.gateway), { status: 200, body: server.id });
});

test('down=1 takes a server out at once; idle is said when its last request has ended', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(`workers: 2\n${PLAIN}`, temporaryDir(t)));
  const [a, b] = [await startServer(t), await startServer(t)];
  await put(daemon, a.id, '{"weight":1}');
  const held = get(`${daemon.gateway}/hold`);
  await until('the request is at the server', () => a.held.length === 1);
  await put(daemon, b.id, '{"weight":1}');
  await put(daemon, a.id, '{"weight":1,"down":1}');
  await until('b is alone', async () => (await eligibleServers(daemon.control)).join() === b.id);
  const busy = await awaitIdle(daemon.control, a.id, '0ms');
  assert.deepEqual(
    [busy.admin.state, busy.admin.owner, busy.acknowledged, busy.inFlight, busy.idle],
    ['maint', 'kv', true, 1, false],
  );
  const idle = awaitIdle(daemon.control, a.id, '60s');
  const before = a.requests();
  for (let count = 0; count < 20; count += 1) {
    assert.equal((await get(daemon.gateway)).body, b.id);
  }
  assert.equal(a.requests(), before);
  a.held[0]?.end('done');
  assert.equal((await held).body, 'done');
  assert.deepEqual(
    [(await idle).idle, (await idle).inFlight, (await idle).acknowledged],
    [true, 0, true],
  );
  await put(daemon, a.id, '{"weight":1,"down":0}');
  await until('both serve', async () => (await eligibleServers(daemon.control)).length === 2);
});

test('a server without traffic is idle as soon as its drain is acknowledged', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(`workers: 2\n${PLAIN}`, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '{}');
  await until('it serves', async () => (await get(daemon.gateway)).status === 200);
  await setAdmin(daemon.control, server.id, { state: 'drain' });
  assert.equal((await awaitIdle(daemon.control, server.id, '60s')).idle, true);
  const ready = await setAdmin(daemon.control, server.id, { state: 'ready' });
  assert.equal(ready.status, 200);
  const refused = await fetch(
    `${daemon.control}/api/upstreams/app/servers/${server.id}/idle?wait=60s`,
  );
  assert.equal(refused.status, 409);
});

test('the guard keeps the last eligible server, and says who is out', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const [a, b] = [await startServer(t), await startServer(t)];
  await put(daemon, a.id, '{}');
  await put(daemon, b.id, '{}');
  await until('both serve', async () => (await eligibleServers(daemon.control)).length === 2);
  // Two at once: one of them must lose, however they interleave.
  const answers = await Promise.all(
    [a, b].map(({ id }) => setAdmin(daemon.control, id, { state: 'drain', keepEligible: 1 })),
  );
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 409]);
  const refusal = await answers.find((answer) => answer.status === 409)?.text();
  assert.match(refusal ?? '', /"code":"guard_refused".*drain/);
  assert.equal((await eligibleServers(daemon.control)).length, 1);
});

test('what one owner took out, another one does not put back', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '{"down":1}');
  await until('it is known', async () => (await status(daemon.control)).generation > 1);
  const { control } = daemon;
  const release = { owner: 'release:r1', ifOwner: 'release:r1' };
  assert.equal((await setAdmin(control, server.id, { state: 'drain' })).status, 200);
  assert.equal((await setAdmin(control, server.id, { state: 'ready', ...release })).status, 409);
  assert.equal((await setAdmin(control, server.id, { state: 'maint', ...release })).status, 409);
  const undrained = await setAdmin(control, server.id, { state: 'ready' });
  // The registry still says down, and the answer says so.
  assert.match(await undrained.text(), /"state":"maint","owner":"kv","reason":"down=1 in the reg/);
  assert.deepEqual(await eligibleServers(control), []);
});

test('a full disk refuses the intent and nothing changes', async (t) => {
  const dir = temporaryDir(t);
  const daemon = await runDaemon(t, daemonConfig(PLAIN, dir));
  const server = await startServer(t);
  await put(daemon, server.id, '{}');
  await until('it serves', async () => (await get(daemon.gateway)).status === 200);
  const { generation } = await status(daemon.control);
  const temporary = join(dir, 'state', 'intent.json.tmp');
  symlinkSync('/dev/full', temporary);
  const refused = await setAdmin(daemon.control, server.id, { state: 'drain' });
  assert.equal(refused.status, 507);
  assert.match(await refused.text(), /"code":"storage_full"/);
  assert.equal((await status(daemon.control)).generation, generation);
  assert.equal((await get(daemon.gateway)).status, 200);
  rmSync(temporary);
  assert.equal((await setAdmin(daemon.control, server.id, { state: 'drain' })).status, 200);
});

test('a worker that is killed is replaced, and the others keep their connections', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(`workers: 2\n${PLAIN}`, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '{}');
  await until('it serves', async () => (await get(daemon.gateway)).status === 200);
  const agents = Array.from({ length: 40 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  t.after(() => {
    for (const agent of agents) agent.destroy();
  });
  await Promise.all(agents.map((agent) => get(daemon.gateway, agent)));
  const [first, second] = (await status(daemon.control)).workers;
  assert(first !== undefined && second !== undefined);
  assert.equal(first.connections + second.connections, 40);
  process.kill(first.pid, 'SIGKILL');
  await until('it is replaced', async () => {
    const now = (await status(daemon.control)).workers[0];
    return now !== undefined && now.pid !== first.pid && now.generation === second.generation;
  });
  const after = await status(daemon.control);
  assert.equal(after.workers[1]?.pid, second.pid);
  assert.equal(after.workers[1]?.connections, second.connections);
  const metrics = await (await fetch(`${daemon.control}/metrics`)).text();
  assert.match(metrics, /^sluice_worker_crashes_total 1$/m);
  assert.match(metrics, /^sluice_upstream_requests_total\{upstream="app"\} [1-9]/m);
});

test('connections that arrive while the only worker is dead wait for the next one', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '{}');
  await until('it serves', async () => (await get(daemon.gateway)).status === 200);
  const pid = (await status(daemon.control)).workers[0]?.pid ?? 0;
  // A stopped worker accepts nothing, so that these are in the kernel's queue when it dies.
  process.kill(pid, 'SIGSTOP');
  const waiting = Array.from({ length: 10 }, () => get(daemon.gateway));
  process.kill(pid, 'SIGKILL');
  for (const answer of await Promise.all(waiting)) assert.equal(answer.body, server.id);
});

test('a worker that does not answer is waited for, and named by its generation', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(`workers: 2\n${PLAIN}`, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '{}');
  await until('it serves', async () => (await get(daemon.gateway)).status === 200);
  const [stopped] = (await status(daemon.control)).workers;
  assert(stopped !== undefined);
  process.kill(stopped.pid, 'SIGSTOP');
  await setAdmin(daemon.control, server.id, { state: 'drain' });
  const pending = await awaitIdle(daemon.control, server.id, '1ms');
  assert.deepEqual([pending.acknowledged, pending.idle], [false, false]);
  const { workers } = await status(daemon.control);
  assert.equal(workers[0]?.generation, stopped.generation);
  assert.equal(workers[1]?.generation, pending.generation);
  const idle = awaitIdle(daemon.control, server.id, '60s');
  process.kill(stopped.pid, 'SIGCONT');
  assert.equal((await idle).idle, true);
});

test('a receipt adds up, also when a worker dies with requests in flight', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '{}');
  await until('it serves', async () => (await get(daemon.gateway)).status === 200);
  const read = async (url: string, method = 'GET'): Promise<ReceiptDocument> =>
    (await (await fetch(url, { method })).json()) as ReceiptDocument;
  const opened = await read(`${daemon.control}/api/upstreams/app/receipts`, 'POST');
  assert.equal(opened.requests, 0);
  for (let count = 0; count < 5; count += 1) await get(daemon.gateway);
  const held = Promise.allSettled([get(`${daemon.gateway}/hold`), get(`${daemon.gateway}/hold`)]);
  await until('both are at the server', () => server.held.length === 2);
  const before = await read(`${daemon.control}/api/receipts/${opened.id}`);
  assert.deepEqual([before.requests, before.answered, before.stillInFlight], [7, 5, 2]);
  assert.equal(before.servers[0]?.attempts, 7);
  const pid = (await status(daemon.control)).workers[0]?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  for (const { status: outcome } of await held) assert.equal(outcome, 'rejected');
  await until('it is replaced', async () => {
    const workers = (await status(daemon.control)).workers;
    return workers.length === 1 && workers[0]?.pid !== pid && workers[0]?.generation !== 0;
  });
  assert.equal((await get(daemon.gateway)).status, 200);
  const after = await read(`${daemon.control}/api/receipts/${opened.id}`);
  assert.equal(after.lost, 2);
  assert.equal(after.servers[0]?.lost, 2);
  assert.equal(after.requests, 8);
  assert.equal(
    after.requests,
    after.answered + after.cut + after.lost + after.clientGone + after.stillInFlight,
  );
  assert.equal((await fetch(`${daemon.control}/api/receipts/unknown`)).status, 404);
});

test('setting a weight keeps the other attributes of the record', async (t) => {
  const [a, b] = [await startServer(t), await startServer(t)];
  const yaml = `upstreams: { app: { servers: [{ address: "${b.id}", max_fails: 7 }] } }`;
  const daemon = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  await put(daemon, a.id, '{"Weight":2,"max_fails":5,"note":"kept"}');
  await until('a is known', async () => (await eligibleServers(daemon.control)).length === 2);
  const setWeight = (id: string) =>
    fetch(`${daemon.control}/api/upstreams/app/servers/${id}/weight`, {
      method: 'POST',
      body: '{"weight":9}',
    });
  const record = async (id: string): Promise<unknown> => {
    const port = daemon.addresses.registry?.port;
    return (await fetch(`http://127.0.0.1:${port}/v1/kv/upstreams/app/${id}?raw`)).json();
  };
  assert.equal((await setWeight(a.id)).status, 200);
  assert.deepEqual(await record(a.id), { weight: 9, max_fails: 5, note: 'kept' });
  assert.equal((await setWeight(b.id)).status, 200);
  assert.deepEqual(await record(b.id), {
    weight: 9,
    max_fails: 7,
    fail_timeout: 10,
    down: 0,
    backup: 0,
  });
  await until('both are in force', async () => {
    const servers = (await status(daemon.control)).upstreams[0]?.servers ?? [];
    return servers.every(({ weight }) => weight === 9);
  });
  await put(daemon, a.id, 'not json');
  assert.equal((await setWeight(a.id)).status, 409);
});

test('killed and started again without its registry, it serves what it knew and keeps drains', async (t) => {
  const dir = temporaryDir(t);
  const registry = await startEmbedded(t);
  const [a, b] = [await startServer(t), await startServer(t)];
  for (const { id } of [a, b]) {
    await registry.store.put(`upstreams/app/${id}`, Buffer.from('{"weight":1}'));
  }
  const consul = `registry: { consul: { addresses: ["127.0.0.1:${registry.address.port}"] } }`;
  const first = await runDaemonProcess(t, daemonConfig(`${consul}\n${CHECKED}`, dir));
  await until('both serve', async () => (await eligibleServers(first.control)).length === 2);
  assert.equal((await setAdmin(first.control, a.id, { state: 'drain' })).status, 200);
  await until('the memory is written', async () => {
    const memory = await readFile(join(dir, 'state', 'memory.json'), 'utf8').catch(() => '');
    return memory.split('"checks":"up"').length === 3;
  });
  const workers = (await status(first.control)).workers.map(({ pid }) => pid);
  first.process.kill('SIGKILL');
  await once(first.process, 'exit');
  await registry.api.close();

  // Probes an hour apart: a verdict can only be a remembered one. The port is the old one, which
  // the workers of the killed primary are only just letting go.
  const rare = daemonConfig(`${consul}\n${CHECKED.replace('50ms', '1h')}`, dir);
  const listen = [{ host: '127.0.0.1', port: Number(new URL(first.gateway).port) }];
  const second = await runDaemon(t, { ...rare, gateway: { ...rare.gateway, listen } });
  await until('the old workers have ended', () => workers.every((pid) => !isAlive(pid)));
  assert.deepEqual(await eligibleServers(second.control), [b.id]);
  assert.equal((await get(second.gateway)).body, b.id);
  const document = await status(second.control);
  assert.equal(document.registry.reachable, false);
  const drained = document.upstreams[0]?.servers.find(({ id }) => id === a.id);
  assert.deepEqual([drained?.admin.state, drained?.admin.owner], ['drain', 'user:test']);
  assert.equal((await setAdmin(second.control, a.id, { state: 'ready' })).status, 200);
  assert.deepEqual((await eligibleServers(second.control)).sort(), [a.id, b.id].sort());
});

test('a registry that goes away, or forgets everything, takes no server with it', async (t) => {
  const port = await freePort();
  const dataDir = temporaryDir(t);
  const [a, b] = [await startServer(t), await startServer(t)];
  const store = openStore({ dataDir, log: silentLog });
  t.after(() => store.close());
  const serve = () => serveConsulApi({ store, host: '127.0.0.1', port, log: silentLog });
  const first = await serve();
  await store.put(`upstreams/app/${a.id}`, Buffer.from('{"weight":1}'));
  const yaml = `registry: { consul: { addresses: ["127.0.0.1:${port}"] } }\n${PLAIN}`;
  const { control, gateway } = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  assert.equal((await get(gateway)).body, a.id);
  await first.close();
  await until('it is noticed', async () => !(await status(control)).registry.reachable);
  assert.equal((await get(gateway)).body, a.id);
  await store.delete('upstreams/', { recurse: true });
  const second = await serve();
  t.after(() => second.close());
  const source = async (): Promise<string | undefined> =>
    (await status(control)).upstreams[0]?.servers[0]?.source;
  await until('the vanished list is held', async () => (await source()) === 'held');
  assert.equal((await get(gateway)).body, a.id);
  await store.put(`upstreams/app/${b.id}`, Buffer.from('{"weight":1}'));
  await until('a new list counts', async () => (await eligibleServers(control)).join() === b.id);
  assert.equal((await get(gateway)).body, b.id);
});

test('SIGTERM lets what is in flight finish', async (t) => {
  const server = await startServer(t);
  const yaml = `registry: { none: true }\nupstreams: { app: { servers: ["${server.id}"] } }`;
  const daemon = await runDaemonProcess(t, daemonConfig(yaml, temporaryDir(t)));
  const held = get(`${daemon.gateway}/hold`);
  await until('it is at the server', () => server.held.length === 1);
  daemon.process.kill('SIGTERM');
  await until('nobody new is let in', () =>
    get(daemon.gateway).then(
      () => false,
      () => true,
    ),
  );
  server.held[0]?.end('whole');
  assert.equal((await held).body, 'whole');
  const [code] = await once(daemon.process, 'exit');
  assert.equal(code, 0);
});

test('without its registry it starts from the config, unless it depends on it', async (t) => {
  const server = await startServer(t);
  const port = await freePort();
  const yaml = (strong: string): string =>
    `registry: { consul: { addresses: ["127.0.0.1:${port}"] }, strong_dependency: ${strong} }\n` +
    `upstreams: { app: { servers: ["${server.id}"] } }`;
  const messages: string[] = [];
  const log = { ...silentLog, warn: (_: unknown, message: string) => void messages.push(message) };
  const daemon = await runDaemon(t, daemonConfig(yaml('off'), temporaryDir(t)), { log });
  assert.equal((await get(daemon.gateway)).body, server.id);
  assert.ok(messages.includes('starting without the registry'));

  const dir = temporaryDir(t);
  const strong = daemonConfig(yaml('on'), dir);
  await assert.rejects(
    startDaemon(strong, { log: silentLog, registryDeadlineMs: 200 }),
    (error) =>
      isSluiceError(error) &&
      error.code === 'registry_unreachable' &&
      error.message.includes(`127.0.0.1:${port}`) &&
      error.message.includes('strong_dependency'),
  );
  // Everything was given back: the same folder can be used again.
  await runDaemon(t, daemonConfig(yaml('off'), dir));
});

test('it waits for a registry that it depends on', async (t) => {
  const registry = await startEmbedded(t);
  const server = await startServer(t);
  const port = await freePort();
  const yaml = `registry: { consul: { addresses: ["127.0.0.1:${port}"] }, strong_dependency: on }\n${PLAIN}`;
  const starting = runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  await registry.store.put(`upstreams/app/${server.id}`, Buffer.from('{}'));
  // The registry comes up after the daemon began to wait for it.
  const relay = createServer((socket) => {
    const target = connect(registry.address.port, '127.0.0.1');
    socket.pipe(target).pipe(socket);
    socket.on('error', () => target.destroy());
    target.on('error', () => socket.destroy());
  });
  relay.listen(port, '127.0.0.1');
  t.after(() => relay.close());
  const daemon = await starting;
  assert.equal((await get(daemon.gateway)).body, server.id);
});

for (const which of ['gateway', 'admin', 'registry'] as const) {
  test(`a ${which} port in use is an error that names it, and nothing stays open`, async (t) => {
    const dir = temporaryDir(t);
    const ports = {
      gateway: await freePort(),
      admin: await freePort(),
      registry: await freePort(),
    };
    const taken = createServer().listen(ports[which], '127.0.0.1');
    await once(taken, 'listening');
    const address = (name: keyof typeof ports) => ({ host: '127.0.0.1', port: ports[name] });
    const base = daemonConfig(PLAIN, dir);
    const config = {
      ...base,
      gateway: { ...base.gateway, listen: [address('gateway')] },
      admin: { ...base.admin, listen: address('admin') },
      registry: { ...base.registry, listen: address('registry') },
    };
    await assert.rejects(
      startDaemon(config, { log: silentLog }),
      (error) =>
        isSluiceError(error) &&
        error.code === 'address_in_use' &&
        error.message.includes(`127.0.0.1:${ports[which]}`),
    );
    taken.close();
    await once(taken, 'close');
    // With the port free, the same start succeeds: the others were given back, the folder too.
    await runDaemon(t, config);
  });
}

test('a second daemon on the same state_dir is refused', async (t) => {
  const dir = temporaryDir(t);
  await runDaemon(t, daemonConfig(PLAIN, dir));
  await assert.rejects(
    startDaemon(daemonConfig(PLAIN, dir), { log: silentLog }),
    (error) => isSluiceError(error) && error.code === 'locked',
  );
});
