// The whole program under a real `ulimit -n 256`: more servers and more clients than it has descriptors
// for. Nobody is refused because connections idle, whoever is refused is told so, and nothing is silent.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import {
  daemonConfig,
  get,
  startServer,
  status,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

const MAIN = new URL('./support/daemon/process.ts', import.meta.url).pathname;

type Limited = {
  readonly gateway: string;
  readonly port: number;
  readonly control: string;
  /** Log lines so far. */
  readonly lines: () => { readonly msg: string; readonly [field: string]: unknown }[];
};

async function runLimited(t: TestContext, yaml: string): Promise<Limited> {
  const config = { ...daemonConfig(yaml, temporaryDir(t)), logLevel: 'warn' };
  const command = 'ulimit -n 256; exec "$0" "$@"';
  const child: ChildProcess = spawn(
    'sh',
    ['-c', command, process.execPath, MAIN, JSON.stringify(config)],
    { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] },
  );
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
  const [addresses] = await Promise.race([
    once(child, 'message'),
    exited.then(() => Promise.reject(new Error(`the daemon ended: ${log}`))),
  ]);
  const port = addresses.gateway[0].port;
  return {
    gateway: `http://127.0.0.1:${port}`,
    port,
    control: `http://127.0.0.1:${addresses.admin.port}`,
    lines: () =>
      log
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line)),
  };
}

async function metric(daemon: Limited, name: string): Promise<number> {
  const page = await (await fetch(`${daemon.control}/metrics`)).text();
  const line = page.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1));
}

test('300 checked servers, 256 descriptors: every request is answered, no server is marked down', async (t) => {
  const servers = await Promise.all(Array.from({ length: 300 }, () => startServer(t)));
  const list = servers.map(({ id }) => `"${id}"`).join(', ');
  const daemon = await runLimited(
    t,
    `upstreams: { app: { servers: [${list}], check: { path: /ping, interval: 200ms, rise: 1, fall: 1 } } }`,
  );
  const ups = async (): Promise<number> =>
    (await status(daemon.control)).upstreams[0]?.servers.filter(({ checks }) => checks === 'up')
      .length ?? 0;
  await until('all are up', async () => (await ups()) === 300);
  for (let batch = 0; batch < 40; batch += 1) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(daemon.gateway)));
    for (const { status: code } of answers) assert.equal(code, 200);
  }
  assert.equal(await ups(), 300);
  assert.ok((await metric(daemon, 'sluice_idle_evictions_total')) > 100);
  assert.equal(await metric(daemon, 'sluice_no_socket_total'), 0);
  assert.equal(await metric(daemon, 'sluice_clients_turned_away_total'), 0);
  assert.equal(await metric(daemon, 'sluice_descriptors_max{process="worker 1"}'), 256);
  assert.ok((await metric(daemon, 'sluice_descriptors_open{process="worker 1"}')) < 256);
  assert.deepEqual(daemon.lines(), []);
});

test('1,000 clients promised, 256 descriptors: said at the start, and each one too many gets its 503', async (t) => {
  const server = await startServer(t);
  const daemon = await runLimited(
    t,
    `limits: { max_connections: 1000 }\nupstreams: { app: { servers: ["${server.id}"] } }`,
  );
  const warned = daemon.lines().filter(({ msg }) => msg.startsWith('max_connections cannot hold'));
  assert.equal(warned.length, 1);
  assert.equal(warned[0]?.['maxConnections'], 1000);
  const clientsMax = Number(warned[0]?.['clientsMax']);
  assert.ok(clientsMax > 100 && clientsMax < 256);

  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let count = 0; count < 400; count += 1) sockets.push(connect(daemon.port, '127.0.0.1'));
  const rest: Promise<string>[] = [];
  const kept: Socket[] = [];
  // The kernel hands them over in the order in which they came.
  for (const [at, socket] of sockets.entries()) {
    if (at < clientsMax) kept.push(socket);
    else rest.push(text(socket));
  }
  for (const answer of await Promise.all(rest)) assert.match(answer, /^HTTP\/1\.1 503 /);
  assert.equal(await metric(daemon, 'sluice_clients_turned_away_total'), 400 - clientsMax);
  assert.equal(await metric(daemon, 'sluice_client_connections'), clientsMax);
  await until('a line with the number', () =>
    daemon.lines().some(({ turnedAwayTotal }) => turnedAwayTotal === 400 - clientsMax),
  );
  // Those that are connected are served, all at once, as far as there are descriptors for servers.
  for (const socket of kept) socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const statuses = await Promise.all(kept.map(async (socket) => (await text(socket)).slice(9, 12)));
  assert.equal(statuses.filter((code) => code === '200' || code === '503').length, clientsMax);
  assert.ok(statuses.filter((code) => code === '200').length >= clientsMax / 4);
  assert.equal((await get(daemon.gateway)).status, 200);
});

test('idle connections to the control API and the registry leave descriptors for the probes', async (t) => {
  const server = await startServer(t);
  const daemon = await runLimited(
    t,
    `upstreams: { app: { servers: ["${server.id}"], check: { path: /ping, interval: 50ms, rise: 1, fall: 1 } } }`,
  );
  const port = Number(new URL(daemon.control).port);
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const closed: Promise<unknown>[] = [];
  for (let count = 0; count < 200; count += 1) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    sockets.push(socket);
    if (count >= 64) closed.push(once(socket, 'close'));
    socket.resume();
  }
  await Promise.all(closed);
  await until('a line with the number', () =>
    daemon.lines().some(({ dropped }) => dropped === 136),
  );
  for (const socket of sockets) socket.destroy();
  await until('the control API answers again', async () => {
    const document = await status(daemon.control).catch(() => undefined);
    return document?.upstreams[0]?.servers[0]?.checks === 'up';
  });
});
