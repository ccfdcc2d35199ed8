// The whole program: registry, checks, control, workers, over real sockets. Changes that reach the
// traffic, drains that end when they may, and everything that dies on the way.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ReceiptDocument } from '../src/admin.ts';
import {
  awaitIdle,
  CHECKED,
  daemonConfig,
  eligibleServers,
  get,
  PLAIN,
  put,
  runDaemon,
  runDaemonProcess,
  setAdmin,
  startServer,
  status,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

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
  const server = await startServer(t);
  // With a registry the intent is on its disk, and here only a copy.
  const yaml = `registry: { none: on }\nupstreams: { app: { servers: ["${server.id}"] } }`;
  const daemon = await runDaemon(t, daemonConfig(yaml, dir));
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
  const silentMs = async (): Promise<number> =>
    (await status(daemon.control)).workers[0]?.silentMs ?? 0;
  await until('its silence shows', async () => (await silentMs()) > 1500);
  const idle = awaitIdle(daemon.control, server.id, '60s');
  process.kill(stopped.pid, 'SIGCONT');
  assert.equal((await idle).idle, true);
  await until('it is heard of again', async () => (await silentMs()) < 1500);
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
  assert.deepEqual([after.answers['2xx'], after.servers[0]?.answers['2xx']], [6, 6]);
  assert.equal(after.requests, 8);
  assert.equal(
    after.requests,
    after.answered + after.cut + after.lost + after.clientGone + after.stillInFlight,
  );
  assert.equal((await fetch(`${daemon.control}/api/receipts/unknown`)).status, 404);
});

test('setting a weight keeps the other attributes of the record', async (t) => {
  const [a, b] = [await startServer(t), await startServer(t)];
  const servers = `[{ address: "${b.id}", max_fails: 7, max_conns: 4 }, { address: "127.0.0.1:1", down: on }]`;
  const yaml = `upstreams: { app: { servers: ${servers} } }`;
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
    max_conns: 4,
  });
  await until('both are in force', async () => {
    const found = (await status(daemon.control)).upstreams[0]?.servers ?? [];
    return found.filter(({ weight }) => weight === 9).length === 2;
  });
  // A record would take the place of the file's `down: on`, for good.
  assert.equal((await setWeight('127.0.0.1:1')).status, 409);
  await put(daemon, a.id, 'not json');
  assert.equal((await setWeight(a.id)).status, 409);
});

test('a list of an upstream that the config does not have is not held, however it vanishes', async (t) => {
  const dir = temporaryDir(t);
  const daemon = await runDaemon(t, daemonConfig(PLAIN, dir));
  const url = `http://127.0.0.1:${daemon.addresses.registry?.port}/v1/kv/upstreams`;
  for (const name of ['typo', 'app']) {
    await fetch(`${url}/${name}/127.0.0.1:1`, { method: 'PUT', body: '{}' });
  }
  await until('it is known', async () => (await eligibleServers(daemon.control)).length === 1);
  await fetch(`${url}/?recurse`, { method: 'DELETE' });
  await until('app is held', async () => {
    const problems = (await status(daemon.control)).upstreams[0]?.problems ?? [];
    return problems.length === 1;
  });
  await daemon.close();
  const remembered = readFileSync(join(dir, 'state/memory.json'), 'utf8');
  assert(remembered.includes('"app"'), remembered);
  assert(!remembered.includes('typo'), remembered);
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
