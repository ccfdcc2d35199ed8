// `sluice reload`, SIGHUP and a file that changes, with real processes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ReloadedDocument } from '../src/admin.ts';
import { type Serving, serve, sluice } from './support/cli/process.ts';
import { get, startServer, status, type TestServer, until } from './support/daemon/builders.ts';

type Scene = {
  readonly daemon: Serving;
  readonly app: TestServer;
  readonly web: TestServer;
  /** Puts another file in the place of the one before, which is given to it. */
  readonly edit: (change: (text: string) => string) => void;
  readonly reload: (...options: readonly string[]) => ReturnType<typeof sluice>;
};

async function scene(t: TestContext, yaml = ''): Promise<Scene> {
  const [app, web] = [await startServer(t), await startServer(t)];
  const daemon = await serve(
    t,
    `workers: 2\nupstreams:\n  app: { servers: ["${app.id}"], registry: off }\n${yaml}`,
  );
  const file = join(daemon.folder, 'sluice.yaml');
  return {
    ...{ daemon, app, web },
    edit: (change) => {
      writeFileSync(`${file}.new`, change(readFileSync(file, 'utf8')));
      renameSync(`${file}.new`, file);
    },
    reload: (...options) => sluice(['reload', ...daemon.here.slice(0, 2), ...options]),
  };
}

const WEB = (id: string) => `  web: { servers: ["${id}"], registry: off }\n`;
const ROUTES = 'routes: [{ path: /web, upstream: web }, { path: /, upstream: app }]\n';

test('a dry run shows what would change, and the reload puts it in force', async (t) => {
  const { daemon, web, edit, reload } = await scene(t);
  edit((text) => `${text}${WEB(web.id)}${ROUTES}timeouts: { read_timeout: 30s }\n`);
  const dry = await reload('--dry-run');
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, /sluice\.yaml: good; a reload would change this:\n/);
  assert.match(dry.stdout, /\+ +timeouts +\{"read_timeout":"30s"\}\n/);
  assert.match(dry.stdout, /upstreams added: web/);
  assert.equal((await status(daemon.control)).upstreams.length, 1, 'nothing has changed');

  const done = await reload();
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /in force in every worker \(generation \d+\), read again; changed:\n/);
  assert.equal((await get(`${daemon.gateway}/web`)).body, web.id);
  assert.match((await reload()).stdout, /nothing has changed/);

  const json = await reload('--json');
  const document: ReloadedDocument = JSON.parse(json.stdout);
  assert.deepEqual([document.inForce, document.dryRun, document.keys], [true, false, []]);
  const events = await sluice(['events', ...daemon.here.slice(0, 2)]);
  assert.match(events.stdout, /reload/);
});

test('a file that cannot be used changes nothing and says why, everywhere', async (t) => {
  const { daemon, app, edit, reload } = await scene(t);
  edit((text) => `${text}timeouts: { read_timeuot: 30s }\nproxy: { via: on }\n`);
  const refused = await reload();
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /sluice\.yaml:\d+:\d+: timeouts\.read_timeuot: .*read_timeout/);
  assert.equal((await get(daemon.gateway)).body, app.id);
  const shown = await sluice(['status', ...daemon.here.slice(0, 2)]);
  assert.match(
    shown.stdout,
    /config +the file was not taken, the last one is in force:\n.*read_timeuot/,
  );
  const metrics = async () => (await fetch(`${daemon.control}/metrics`)).text();
  assert.match(await metrics(), /^sluice_config_last_reload_successful 0$/m);

  daemon.child.kill('SIGHUP');
  await until('it is said', () =>
    /not taken, nothing has changed: .*read_timeuot/.test(daemon.stderr()),
  );
  edit((text) => text.replace('read_timeuot', 'read_timeout'));
  daemon.child.kill('SIGHUP');
  await until('it is taken', () =>
    /\+ +proxy +\{"via":true\}|\+ +proxy +\{"via":"on"\}/.test(daemon.stderr()),
  );
  assert.match(await metrics(), /^sluice_config_last_reload_successful 1$/m);
  assert.equal((await status(daemon.control)).configuration?.trouble, '');
});

test('what keeps its value is named, and the rest is in force', async (t) => {
  const { daemon, edit, reload } = await scene(t);
  edit((text) => `state_dir: elsewhere\n${text}proxy: { via: on }\n`);
  const done = await reload();
  assert.equal(done.code, 0);
  assert.match(done.stdout, /state_dir keeps its value until the next start: /);
  const { workers } = await status(daemon.control);
  assert.equal(workers.length, 2);
});

test('with reload_on_change the file is read when another takes its place', async (t) => {
  const { daemon, web, edit } = await scene(t, 'reload_on_change: on\nlog_level: info\n');
  edit((text) => `${text}${ROUTES}`.replace('reload_on_change', `${WEB(web.id)}reload_on_change`));
  await until('it is in force', async () => (await get(`${daemon.gateway}/web`)).body === web.id);
  edit((text) => `${text}nonsense: 1\n`);
  await until('it is said', () => daemon.stderr().includes('configuration not taken'));
  edit((text) => text.replace('nonsense: 1\n', 'reload_on_change: off\n').replace('on\n', 'off\n'));
  assert.equal((await get(`${daemon.gateway}/web`)).body, web.id);
});

/** A text of two letters. */
const FRAME = Buffer.from([0x81, 0x02, 0x68, 0x69]);

/** Upgrades at once, and answers each byte with itself. */
async function startTunnels(t: TestContext): Promise<string> {
  const server = createServer();
  const sockets = new Set<Socket>();
  server.on('upgrade', (_, socket: Socket) => {
    sockets.add(socket);
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    );
    socket.on('data', (data) => socket.write(data)).on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  return `127.0.0.1:${address.port}`;
}

async function openTunnel(gateway: string): Promise<Socket> {
  const { hostname, port } = new URL(gateway);
  const socket = connect(Number(port), hostname);
  socket.write(
    'GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const [head] = await once(socket, 'data');
  assert.match(String(head), /^HTTP\/1\.1 101 /);
  return socket;
}

test('tunnels and requests in flight live through reload after reload', async (t) => {
  const { daemon, app, web, edit } = await scene(t, 'shutdown_timeout: 1s\n');
  const tunnels = await startTunnels(t);
  edit(
    (text) =>
      `${text.replace(
        'upstreams:\n',
        `upstreams:\n  tunnels: { servers: ["${tunnels}"], registry: off }\n`,
      )}routes: [{ path: /tunnel, upstream: tunnels }, { path: /, upstream: app }]\n`,
  );
  daemon.child.kill('SIGHUP');
  await until('it is in force', async () => (await status(daemon.control)).upstreams.length === 2);
  const open = await Promise.all(Array.from({ length: 50 }, () => openTunnel(daemon.gateway)));
  const held = Array.from({ length: 20 }, () => get(`${daemon.gateway}/hold`));
  await until('the server has them', () => app.held.length === 20);
  const pids = (await status(daemon.control)).workers.map(({ pid }) => pid);
  for (let reload = 0; reload < 20; reload += 1) {
    edit((text) =>
      reload % 2 === 0
        ? text.replace('upstreams:\n', `upstreams:\n${WEB(web.id)}`)
        : text.replace(WEB(web.id), ''),
    );
    const answer = await fetch(`${daemon.control}/api/reload`, { method: 'POST', body: '{}' });
    assert.equal(answer.status, 200, await answer.clone().text());
    const { upstreams } = (await answer.json()) as ReloadedDocument;
    assert.deepEqual(upstreams[reload % 2 === 0 ? 'added' : 'removed'], ['web']);
    assert.equal((await get(daemon.gateway)).body, app.id);
  }
  for (const socket of open) {
    socket.write(FRAME);
    const [echo]: Buffer[] = await once(socket, 'data');
    assert.deepEqual(echo, FRAME);
    socket.destroy();
  }
  for (const response of app.held) response.end('late');
  for (const answer of held) assert.deepEqual(await answer, { status: 200, body: 'late' });
  assert.deepEqual(
    (await status(daemon.control)).workers.map(({ pid }) => pid),
    pids,
  );
});
