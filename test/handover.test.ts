// The primary is killed: its workers serve on, and the next primary takes them over with their sockets.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Config } from '../src/config.ts';
import { isStopped } from './support/base/process-facts.ts';
import {
  awaitIdle,
  type ChildDaemon,
  daemonConfig,
  get,
  runDaemonProcess,
  setAdmin,
  startServer,
  status,
  type TestServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

type Scene = {
  readonly app: TestServer;
  readonly config: Config;
  readonly folder: string;
  readonly start: () => Promise<ChildDaemon>;
};

async function scene(t: TestContext, yaml = '', folder = temporaryDir(t)): Promise<Scene> {
  const app = await startServer(t);
  const config = daemonConfig(
    `workers: 2\n${yaml}upstreams: { app: { servers: ["${app.id}"], registry: off } }`,
    folder,
  );
  return { app, config, folder, start: () => runDaemonProcess(t, config) };
}

async function kill({ process: child }: ChildDaemon): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function pidsOf(daemon: ChildDaemon): Promise<number[]> {
  return (await status(daemon.control)).workers.map(({ pid }) => pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Clients with a connection for each request, until they are told to stop. */
function startClients(url: string): { stop(): Promise<number> } {
  let isOver = false;
  let answered = 0;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      assert.equal((await get(url)).status, 200);
      answered += 1;
    }
  });
  return {
    async stop() {
      isOver = true;
      await Promise.all(clients);
      return answered;
    },
  };
}

test('the next primary has the same port and the clients notice nothing, again and again', async (t) => {
  const { start } = await scene(t);
  let daemon = await start();
  const { gateway } = daemon;
  const clients = startClients(gateway);
  for (let round = 0; round < 3; round += 1) {
    const before = await pidsOf(daemon);
    await kill(daemon);
    for (let request = 0; request < 20; request += 1)
      assert.equal((await get(gateway)).status, 200);
    daemon = await start();
    assert.equal(daemon.gateway, gateway);
    await until('the workers are its own', async () => {
      const now = await pidsOf(daemon);
      return now.length === 2 && now.every((pid) => !before.includes(pid));
    });
    await until('they are gone', () => !before.some(isAlive));
  }
  assert.ok((await clients.stop()) > 20);
});

test('what a worker of the last primary has in flight is waited for, and is counted', async (t) => {
  const { app, start } = await scene(t);
  const first = await start();
  const held = get(`${first.gateway}/hold`);
  await until('the server has it', () => app.held.length === 1);
  const before = await pidsOf(first);
  await kill(first);
  const next = await start();
  await setAdmin(next.control, app.id, { state: 'drain', reason: 'look' });
  const drain = await awaitIdle(next.control, app.id, '50ms');
  assert.deepEqual([drain.idle, drain.inFlight], [false, 1]);
  assert.equal((await get(next.gateway)).status, 503);
  app.held[0]?.end('late');
  assert.deepEqual(await held, { status: 200, body: 'late' });
  await until('the others are gone', async () => {
    const now = await pidsOf(next);
    return now.every((pid) => !before.includes(pid));
  });
  assert.equal((await awaitIdle(next.control, app.id, '5s')).inFlight, 0);
  const [server] = (await status(next.control)).upstreams[0]?.servers ?? [];
  assert.equal(server?.requests, 1, 'the one that the last primary had begun');
});

test('workers that nobody comes for finish', async (t) => {
  const { folder, start } = await scene(t, 'orphan_timeout: 300ms\n');
  const daemon = await start();
  const pids = await pidsOf(daemon);
  await kill(daemon);
  assert.equal((await get(daemon.gateway)).status, 200);
  await until('they are gone', () => pids.every((pid) => !isAlive(pid)));
  assert.deepEqual(readdirSync(join(folder, 'state/workers')), []);
});

test('with orphan_timeout 0 they finish at once', async (t) => {
  const { app, start } = await scene(t, 'orphan_timeout: 0\n');
  const daemon = await start();
  const held = get(`${daemon.gateway}/hold`);
  await until('the server has it', () => app.held.length === 1);
  const pids = await pidsOf(daemon);
  await kill(daemon);
  await until('nobody listens', () =>
    get(daemon.gateway).then(
      () => false,
      () => true,
    ),
  );
  app.held[0]?.end('late');
  assert.deepEqual(await held, { status: 200, body: 'late' });
  await until('they are gone', () => pids.every((pid) => !isAlive(pid)));
});

test('a worker that is stopped is ended by the next primary: it would go on by an old table', async (t) => {
  const { start } = await scene(t);
  const first = await start();
  const [stopped = 0, other = 0] = await pidsOf(first);
  process.kill(stopped, 'SIGSTOP');
  await until('it stands still', () => isStopped(stopped));
  await kill(first);
  const next = await start();
  assert.equal((await get(next.gateway)).status, 200);
  await until('both are gone', () => !isAlive(stopped) && !isAlive(other));
});

test('a path that is too long for a socket is no obstacle', async (t) => {
  const folder = join(temporaryDir(t), 'x'.repeat(120));
  mkdirSync(folder);
  const { start } = await scene(t, '', folder);
  const first = await start();
  await kill(first);
  const next = await start();
  assert.equal(next.gateway, first.gateway);
  assert.equal((await get(next.gateway)).status, 200);
});
