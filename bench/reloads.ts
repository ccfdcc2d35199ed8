// Claim: a reload loses nothing. 1,000 open WebSockets and 200 requests in flight live through 100 reloads, each of
// which changes upstreams, routes, settings, an address or the number of workers, while clients come and go; nginx
// goes through the same with `nginx -s reload`.
//
//   node bench/reloads.ts [--reloads 100] [--tunnels 1000] [--held 200] [--rate 150]

import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startLoad } from '../demo/load.ts';
import { Cleanup, http, residentBytes, Stack, startApp, temporaryFolder } from '../demo/stack.ts';
import { freePorts } from '../test/support/base/ports.ts';
import { childrenOf } from '../test/support/base/process-facts.ts';
import { megabytes, startNginx, table } from './lab.ts';

export type ReloadsOptions = {
  readonly reloads: number;
  readonly tunnels: number;
  readonly held: number;
  /** Other requests per second, a part of them on connections of their own. */
  readonly rate: number;
};

const DEFAULTS: ReloadsOptions = { reloads: 100, tunnels: 1000, held: 200, rate: 150 };
const OPENING_AT_ONCE = 50;
const PAUSE_MS = 50;
/** Ports of the servers: app answers, web comes and goes, long holds. */
type Servers = { readonly app: number; readonly web: number; readonly long: number };

type Proxy = {
  readonly name: string;
  readonly port: number;
  /** Puts the configuration of this round in force. */
  reload(round: number): Promise<void>;
  pids(): readonly number[];
};

export async function run(options: ReloadsOptions = DEFAULTS): Promise<string> {
  const cleanup = new Cleanup();
  try {
    const folder = await temporaryFolder('reloads', cleanup);
    const [app = 0, web = 0] = await freePorts(2);
    await startApp(app, cleanup);
    await startApp(web, cleanup);
    const long = await startLong(cleanup);
    const servers = { app, web, long: long.port };
    const rows: string[][] = [];
    for (const proxy of [
      await startSluice(folder, servers, cleanup),
      await startReloadedNginx(folder, servers, cleanup),
    ]) {
      if (proxy !== undefined) rows.push(await measure(proxy, long, options));
    }
    return [
      `${options.tunnels} open WebSockets, ${options.held} requests that their server has not answered yet, and ` +
        `${options.rate} requests per second, a part of them on connections of their own, while the configuration is ` +
        `changed ${options.reloads} times: an upstream with its route comes and goes, a timeout changes, every tenth ` +
        'time an address or the number of workers, too. "Lost" is whatever a client did not get: refused, reset, another answer. A ' +
        'tunnel counts as alive when it echoes at the end. nginx lets its old workers live until their last tunnel ends.',
      table([
        [
          ...['proxy', 'requests', 'lost', 'p99 ms', 'tunnels alive', 'held answered'],
          ...['ms per reload', 'processes at the end', 'RSS MB'],
        ],
        ...rows,
      ]),
    ].join('\n\n');
  } finally {
    await cleanup.run();
  }
}

async function measure(
  proxy: Proxy,
  long: Long,
  { reloads, tunnels, held, rate }: ReloadsOptions,
): Promise<string[]> {
  const open: Socket[] = [];
  while (open.length < tunnels) {
    const batch = Array.from({ length: Math.min(OPENING_AT_ONCE, tunnels - open.length) }, () =>
      openTunnel(proxy.port),
    );
    open.push(...(await Promise.all(batch)));
  }
  const waiting = Array.from({ length: held }, () => ask(proxy.port));
  while (long.held.length < held) await sleep(10);
  const load = startLoad({
    ...{ host: '127.0.0.1', port: proxy.port, rate, idempotent: true },
    shares: { get: 40, get_fresh: 40, post: 20 },
  });
  let reloadMs = 0;
  for (let round = 1; round <= reloads; round += 1) {
    const startedMs = performance.now();
    await proxy.reload(round);
    reloadMs += performance.now() - startedMs;
    await sleep(PAUSE_MS);
  }
  const summary = await load.stop();
  const pids = proxy.pids();
  const resident = pids.reduce((sum, pid) => sum + residentBytes(pid), 0);
  const echoes = await Promise.all(open.map(isAlive));
  for (const response of long.held.splice(0)) response.end('late');
  const answers = await Promise.all(waiting);
  for (const socket of open) socket.destroy();
  return [
    ...[proxy.name, String(summary.requests), String(summary.failed)],
    ...[summary.latency.p99.toFixed(0), `${echoes.filter(Boolean).length} of ${tunnels}`],
    ...[`${answers.filter((body) => body === 'late').length} of ${held}`],
    ...[(reloadMs / reloads).toFixed(0), String(pids.length), megabytes(resident)],
  ];
}

async function startSluice(folder: string, servers: Servers, cleanup: Cleanup): Promise<Proxy> {
  const [extra = 0] = await freePorts(1);
  let ports = { gateway: 0, admin: 0, registry: 0 };
  const textOf = (round: number): string => {
    const [isOdd, isTenth] = [round % 2 === 1, round % 20 === 10];
    const upstream = (name: string, port: number): string =>
      `  ${name}: { servers: ["127.0.0.1:${port}"], registry: off }\n`;
    return `state_dir: state
log_level: error
listen: ["127.0.0.1:${ports.gateway}"${isTenth ? `, "127.0.0.1:${extra}"` : ''}]
workers: ${isTenth ? 3 : 2}
admin: { listen: "127.0.0.1:${ports.admin}" }
registry: { embedded: { listen: "127.0.0.1:${ports.registry}" } }
timeouts: { response_timeout: ${600 + round}s }
upstreams:
${upstream('app', servers.app)}${upstream('long', servers.long)}${isOdd ? upstream('web', servers.web) : ''}
routes:
  - { path: /long, upstream: long }
${isOdd ? '  - { path: /web, upstream: web }\n' : ''}  - { path: /, upstream: app }
`;
  };
  const stack = await Stack.start({
    ...{ cleanup, folder },
    config: (free) => {
      ports = free;
      return textOf(0);
    },
  });
  return {
    ...{ name: 'sluice', port: ports.gateway },
    pids: () => [stack.pid, ...childrenOf(stack.pid)],
    async reload(round) {
      await writeFile(stack.configFile, textOf(round));
      const { status, text } = await http('POST', ports.admin, '/api/reload', '{}');
      if (status !== 200) throw new Error(`reload ${round}: ${status} ${text}`);
    },
  };
}

async function startReloadedNginx(
  folder: string,
  servers: Servers,
  cleanup: Cleanup,
): Promise<Proxy | undefined> {
  const [port = 0] = await freePorts(1);
  const textOf = (round: number): string => {
    const isOdd = round % 2 === 1;
    const place = (path: string, to: number): string =>
      `location ${path} { proxy_pass http://127.0.0.1:${to}; proxy_http_version 1.1; proxy_read_timeout ${600 + round}s; ` +
      'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; }';
    return (
      'map $http_upgrade $connection_upgrade { default upgrade; "" ""; } ' +
      `server { listen 127.0.0.1:${port}; ${place('/long', servers.long)} ` +
      `${isOdd ? place('/web', servers.web) : ''} ${place('/', servers.app)} }`
    );
  };
  const name = 'reloaded';
  const workers = await startNginx({ folder, name, cleanup, port, http: textOf(0) });
  if (workers === undefined) return undefined;
  const master = Number(await readFile(join(folder, `${name}.pid`), 'utf8'));
  const file = join(folder, `${name}.conf`);
  return {
    ...{ name: 'nginx', port },
    pids: () => [master, ...childrenOf(master)],
    async reload(round) {
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace(textOf(round - 1), textOf(round)));
      process.kill(master, 'SIGHUP');
    },
  };
}

type Long = { readonly port: number; readonly held: ServerResponse[] };

/** Upgrades and echoes; other requests are held. */
async function startLong(cleanup: Cleanup): Promise<Long> {
  const held: ServerResponse[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_, response) => void held.push(response));
  server.on('upgrade', (_, socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('data', (data) => socket.write(data));
    socket.on('end', () => socket.destroy()).on('close', () => sockets.delete(socket));
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    );
  });
  server.listen(0, '127.0.0.1', 1024);
  await once(server, 'listening');
  cleanup.add(async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('reloads: no port');
  return { port: address.port, held };
}

async function openTunnel(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    'GET /long HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const [head]: Buffer[] = await once(socket, 'data');
  if (!String(head).startsWith('HTTP/1.1 101')) throw new Error(`reloads: ${head}`);
  return socket;
}

/** It echoes a frame. */
async function isAlive(socket: Socket): Promise<boolean> {
  if (socket.destroyed || socket.readableEnded) return false;
  const echo = once(socket, 'data').then(
    () => true,
    () => false,
  );
  socket.write(Buffer.from([0x81, 0x02, 0x68, 0x69]));
  return Promise.race([echo, sleep(5000, false)]);
}

function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path: '/long', agent: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          body += part;
        });
        response.on('end', () => resolve(body)).on('error', () => resolve(''));
      },
    );
    outgoing.on('error', () => resolve(''));
    outgoing.end();
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      reloads: { type: 'string', default: String(DEFAULTS.reloads) },
      tunnels: { type: 'string', default: String(DEFAULTS.tunnels) },
      held: { type: 'string', default: String(DEFAULTS.held) },
      rate: { type: 'string', default: String(DEFAULTS.rate) },
    },
  });
  const [reloads, tunnels, held, rate] = [values.reloads, values.tunnels, values.held, values.rate];
  console.log(
    await run({
      ...{ reloads: Number(reloads), tunnels: Number(tunnels) },
      ...{ held: Number(held), rate: Number(rate) },
    }),
  );
}
