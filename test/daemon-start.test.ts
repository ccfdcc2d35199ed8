// Starts of the whole program: after a kill, without its registry, with addresses or folders that are
// taken. Either it serves, or it says why not and leaves nothing behind.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSluiceError } from '../src/base/errors.ts';
import { silentLog } from '../src/base/log.ts';
import { startDaemon } from '../src/daemon.ts';
import { openStore, serveConsulApi } from '../src/registry.ts';
import { freePort } from './support/base/ports.ts';
import { isRunning } from './support/base/process-facts.ts';
import {
  CHECKED,
  daemonConfig,
  eligibleServers,
  get,
  listeningOn,
  PLAIN,
  runDaemon,
  runDaemonProcess,
  setAdmin,
  startServer,
  status,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { startEmbedded } from './support/registry/builders.ts';

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
  const listen = [{ id: 'test', host: '127.0.0.1', port: Number(new URL(first.gateway).port) }];
  const second = await runDaemon(t, { ...rare, gateway: { ...rare.gateway, listen } });
  await until('the old workers have ended', () => workers.every((pid) => !isRunning(pid)));
  assert.deepEqual(await eligibleServers(second.control), [b.id]);
  assert.equal((await get(second.gateway)).body, b.id);
  const document = await status(second.control);
  assert.equal(document.registry.reachable, false);
  const drained = document.upstreams[0]?.servers.find(({ id }) => id === a.id);
  assert.deepEqual([drained?.admin.state, drained?.admin.owner], ['drain', 'user:test']);
  // Others may go by what the run before said of it.
  assert.equal((await setAdmin(second.control, a.id, { state: 'ready' })).status, 200);
  assert.deepEqual(await eligibleServers(second.control), [b.id]);
  const { host, port } = registry.address;
  const again = await serveConsulApi({ store: registry.store, host, port, log: silentLog });
  t.after(() => again.close());
  await until('it is given back', async () => (await eligibleServers(second.control)).length === 2);
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
      gateway: { ...base.gateway, listen: [{ id: 'test', ...address('gateway') }] },
      admin: { ...base.admin, listen: address('admin') },
      registry: {
        ...base.registry,
        settings: listeningOn(base.registry.settings, address('registry')),
      },
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
