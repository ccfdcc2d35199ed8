// Listeners, workers and the log level change while the daemon runs: real workers, real sockets.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Config, ListenerConfig } from '../src/config.ts';
import {
  daemonConfig,
  get,
  type RunningDaemon,
  runDaemon,
  startServer,
  status,
  type TestServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

type Scene = {
  readonly daemon: RunningDaemon;
  readonly app: TestServer;
  readonly config: Config;
  readonly withListeners: (...more: readonly ListenerConfig[]) => Config;
};

const free = (id: string): ListenerConfig => ({ id, host: '127.0.0.1', port: 0 });

async function scene(t: TestContext, workers = 2): Promise<Scene> {
  const app = await startServer(t);
  const yaml = `workers: ${workers}\nupstreams: { app: { servers: ["${app.id}"], registry: off } }`;
  const config = daemonConfig(yaml, temporaryDir(t));
  const daemon = await runDaemon(t, config);
  return {
    ...{ daemon, app, config },
    withListeners: (...more) => ({
      ...config,
      gateway: { ...config.gateway, listen: [...config.gateway.listen, ...more] },
    }),
  };
}

function urlOf(daemon: RunningDaemon, at: number): string {
  return `http://127.0.0.1:${daemon.addresses.gateway[at]?.port}/`;
}

function kept(t: TestContext): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  return agent;
}

test('an address is added and taken away, and the other is not touched', async (t) => {
  const { daemon, app, config, withListeners } = await scene(t);
  const agent = kept(t);
  let local: number | undefined;
  agent.on('free', (socket) => {
    local ??= socket.localPort;
    assert.equal(socket.localPort, local, 'the same connection all the time');
  });
  await get(urlOf(daemon, 0), agent);
  const added = await daemon.applyConfig(withListeners(free('second')));
  assert.deepEqual([added.keys, added.kept], [['listen'], []]);
  const second = urlOf(daemon, 1);
  for (let request = 0; request < 20; request += 1) {
    assert.deepEqual(await get(second), { status: 200, body: app.id });
  }
  const old = kept(t);
  await get(second, old);
  const held = get(`${second}hold`);
  await until('the server has the request', () => app.held.length === 1);

  await daemon.applyConfig(config);
  assert.equal(daemon.addresses.gateway.length, 1);
  await until('nobody new comes in there', () =>
    get(second).then(
      () => false,
      () => true,
    ),
  );
  assert.equal((await get(second, old)).status, 200, 'who was in stays');
  app.held[0]?.end('late');
  assert.deepEqual(await held, { status: 200, body: 'late' });
  assert.equal((await get(urlOf(daemon, 0), agent)).status, 200);

  // Again, under the same name: it is another socket.
  await daemon.applyConfig(withListeners(free('second')));
  assert.equal((await get(urlOf(daemon, 1))).status, 200);
});

test('an address that cannot be bound changes nothing at all', async (t) => {
  const { daemon, config, withListeners } = await scene(t);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const address = taken.address();
  assert(address !== null && typeof address === 'object');
  const next = withListeners(free('good'), { ...free('taken'), port: address.port });
  const other = { ...next, gateway: { ...next.gateway, via: true } };
  await assert.rejects(daemon.applyConfig(other), { code: 'address_in_use' });
  assert.equal(daemon.addresses.gateway.length, 1);
  assert.deepEqual((await daemon.applyConfig(config)).keys, [], 'nothing is in force of it');
  assert.equal((await get(urlOf(daemon, 0))).status, 200);
});

test('workers come and go, and no request is lost', async (t) => {
  const { daemon, config, withListeners } = await scene(t, 1);
  let isOver = false;
  let answered = 0;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      assert.equal((await get(urlOf(daemon, 0))).status, 200);
      answered += 1;
    }
  });
  const pids = async () => (await status(daemon.control)).workers.map(({ pid }) => pid);
  const [first] = await pids();
  const three = { ...withListeners(free('second')), workers: 3 };
  assert.equal((await daemon.applyConfig(three)).isInForce, true);
  await until('there are three', async () => (await pids()).length === 3);
  assert.equal((await pids())[0], first);
  for (let request = 0; request < 30; request += 1) await get(urlOf(daemon, 1));
  await daemon.applyConfig(config);
  // Back before they are gone: others take their numbers.
  await daemon.applyConfig({ ...config, workers: 2 });
  await until('there are two', async () => {
    const { workers } = await status(daemon.control);
    return workers.length === 2;
  });
  assert.equal((await pids())[0], first);
  await daemon.applyConfig(config);
  await until('there is one', async () => (await pids()).length === 1);
  const before = answered;
  await until('more are answered', () => answered > before + 20);
  isOver = true;
  await Promise.all(clients);
});
