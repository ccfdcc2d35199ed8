// The program that is on the disk takes over from the one that runs: real processes, under load.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ReceiptDocument } from '../src/admin.ts';
import { freePorts } from './support/base/ports.ts';
import { type Serving, serve, sluice } from './support/cli/process.ts';
import { get, startServer, status, type TestServer, until } from './support/daemon/builders.ts';

type Scene = {
  readonly daemon: Serving;
  readonly app: TestServer;
  readonly upgrade: () => ReturnType<typeof sluice>;
  readonly edit: (change: (text: string) => string) => void;
};

async function scene(t: TestContext, yaml = ''): Promise<Scene> {
  let folder = '';
  // Before the hook of `serve`, which waits for whoever has its pipes.
  t.after(async () => {
    const file = join(folder, '.sluice/sluice.pid');
    if (existsSync(file)) process.kill(Number(readFileSync(file, 'utf8')), 'SIGTERM');
  });
  const app = await startServer(t);
  const daemon = await serve(
    t,
    `workers: 2\nlog_level: info\n${yaml}upstreams: { app: { servers: ["${app.id}"] } }\n`,
  );
  folder = daemon.folder;
  const file = join(folder, 'sluice.yaml');
  return {
    ...{ daemon, app },
    upgrade: () => sluice(['upgrade', ...daemon.here.slice(0, 2)]),
    edit: (change) => writeFileSync(file, change(readFileSync(file, 'utf8'))),
  };
}

/** Clients of a URL, by default with a connection for each request, until they are told to stop. */
function startClients(
  url: string,
  count: number,
  agent: Agent | false = false,
): { stop(): Promise<number> } {
  let isOver = false;
  let answered = 0;
  const clients = Array.from({ length: count }, async () => {
    while (!isOver) {
      const answer = await get(url, agent).catch((error: unknown) => ({
        status: 0,
        body: String(error),
      }));
      assert.equal(answer.status, 200, `${url}: ${answer.body}`);
      answered += 1;
      await new Promise((resolve) => setTimeout(resolve, 2));
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

/** 0 = the control API is between the two. */
const pidOf = async (daemon: Serving) => {
  const document = await status(daemon.control).catch(() => undefined);
  return document?.process?.pid ?? 0;
};

test('upgrade after upgrade: gateway, registry and control API are always there', async (t) => {
  const { daemon, app, upgrade } = await scene(t);
  const gateway = startClients(daemon.gateway, 4);
  const registry = startClients(`http://${daemon.registry}/v1/kv/?keys`, 1);
  // A client that keeps its connection is told to take another.
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const control = startClients(`${daemon.control}/api/status`, 1, agent);
  await fetch(`http://${daemon.registry}/v1/kv/kept`, { method: 'PUT', body: 'yes' });
  const held = get(`${daemon.gateway}/hold`);
  await until('the server has it', () => app.held.length === 1);
  const opened = await fetch(`${daemon.control}/api/upstreams/app/receipts`, { method: 'POST' });
  const { id } = (await opened.json()) as ReceiptDocument;
  const first = await pidOf(daemon);
  let last = first;
  for (let round = 0; round < 3; round += 1) {
    const done = await upgrade();
    assert.equal(done.code, 0, done.stderr);
    const next = await pidOf(daemon);
    assert.notEqual(next, last);
    assert.match(done.stdout, new RegExp(`process ${next} serves, version`));
    last = next;
  }
  assert.equal((await get(`http://${daemon.registry}/v1/kv/kept?raw`)).body, 'yes');
  app.held[0]?.end('late');
  assert.deepEqual(await held, { status: 200, body: 'late' });
  const answered = await gateway.stop();
  assert.ok((await registry.stop()) > 20);
  assert.ok((await control.stop()) > 20);
  const read = async () =>
    (await (await fetch(`${daemon.control}/api/receipts/${id}`)).json()) as ReceiptDocument;
  await until('the last have been counted', async () => (await read()).stillInFlight === 0);
  const receipt = await read();
  const { requests, lost, cut, workersLost } = receipt;
  assert.deepEqual({ lost, cut, workersLost }, { lost: 0, cut: 0, workersLost: 0 });
  // It was opened a little after the clients.
  assert.equal(receipt.answered, requests);
  assert.ok(requests > 0 && requests <= answered + 1, `${requests} of ${answered}`);
  const [server] = (await status(daemon.control)).upstreams[0]?.servers ?? [];
  assert.equal(server?.requests, answered + 1, 'counters go on');
});

test('a new one that cannot read the configuration changes nothing', async (t) => {
  const { daemon, app, upgrade, edit } = await scene(t);
  const pid = await pidOf(daemon);
  edit((text) => `${text}nonsense: 1\n`);
  const refused = await upgrade();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /the new process \d+: .*nonsense/);
  daemon.child.kill('SIGUSR2');
  await until('it is said', () =>
    /^warning: upgrade: the new process \d+: .*nonsense/m.test(daemon.stderr()),
  );
  assert.equal(await pidOf(daemon), pid);
  assert.equal((await get(daemon.gateway)).body, app.id);
  edit((text) => text.replace('nonsense: 1\n', ''));
  daemon.child.kill('SIGUSR2');
  await until('it has taken over', async () => ![0, pid].includes(await pidOf(daemon)));
  await until('it is ready', () => daemon.stderr().match(/^sluice is ready/gm)?.length === 2);
});

test('a new one that fails when the old has let go: the old takes everything back', async (t) => {
  // Ports that are known: what it opens again has the same address.
  const [control, own] = await freePorts(2);
  const listens = `admin: { listen: "127.0.0.1:${control}" }\nregistry: { embedded: { listen: "127.0.0.1:${own}" } }\n`;
  const { daemon, edit } = await scene(t, listens);
  const pid = await pidOf(daemon);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const address = taken.address();
  assert(address !== null && typeof address === 'object');
  const clients = startClients(daemon.gateway, 4);
  edit((text) => text.replace(/^admin: .*$/m, `admin: { listen: "127.0.0.1:${address.port}" }`));
  const refused = await sluice(['upgrade', ...daemon.here.slice(0, 2)]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /the old process goes on: .*the address is in use/);
  assert.equal(await pidOf(daemon), pid);
  assert.equal((await get(`http://${daemon.registry}/v1/status/leader`)).status, 200);
  assert.ok((await clients.stop()) > 20);
});

test('an address that the new configuration does not have is let go', async (t) => {
  const [first, second] = await freePorts(2);
  const { daemon, edit } = await scene(t, `admin: { listen: "127.0.0.1:${first}" }\n`);
  edit((text) => text.replace(`127.0.0.1:${first}`, `127.0.0.1:${second}`));
  daemon.child.kill('SIGUSR2');
  await until('it is ready', () => daemon.stderr().match(/^sluice is ready/gm)?.length === 2);
  assert.equal((await get(`http://127.0.0.1:${second}/healthz`)).status, 200);
  await assert.rejects(get(`http://127.0.0.1:${first}/healthz`), { code: 'ECONNREFUSED' });
  assert.equal((await get(daemon.gateway)).status, 200);
});

test('an end while another process loads everything is an end of both', async (t) => {
  const { daemon } = await scene(t);
  const successor = (): number => Number(/"successor":(\d+)/.exec(daemon.stderr())?.[1] ?? 0);
  daemon.child.kill('SIGUSR2');
  await until('it is there', () => successor() !== 0);
  daemon.child.kill('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
  assert.equal(existsSync(`/proc/${successor()}`), false);
  assert.equal(existsSync(join(daemon.folder, '.sluice/sluice.pid')), false);
});

test('a successor that is killed is none, and one that lost its old one goes on', async (t) => {
  const { daemon } = await scene(t);
  const clients = startClients(daemon.gateway, 4);
  const pid = await pidOf(daemon);
  const successors = (): readonly number[] =>
    [...daemon.stderr().matchAll(/"successor":(\d+)/g)].map(([, found]) => Number(found));
  daemon.child.kill('SIGUSR2');
  await until('it is there', () => successors().length === 1);
  process.kill(successors()[0] ?? 0, 'SIGKILL');
  await until('it is said', () => daemon.stderr().includes('SIGKILL'));
  await until('the old one is there', async () => (await pidOf(daemon)) === pid);

  daemon.child.kill('SIGUSR2');
  await until('another is there', () => successors().length === 2);
  process.kill(pid, 'SIGKILL');
  const next = successors()[1] ?? 0;
  // Its control API has another port, because the old one could not hand over its own.
  const file = join(daemon.folder, '.sluice/sluice.pid');
  const isReady = () => daemon.stderr().includes(`sluice is ready (pid ${next},`);
  await until('it serves', () => isReady() && readFileSync(file, 'utf8') === `${next}\n`);
  assert.ok((await clients.stop()) > 20);
});
