// What a request costs the worker with few servers and with many, by method of balancing, in turn.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  cpuSeconds,
  listening,
  residentBytes,
  Stack,
  start,
  systemSeconds,
} from '../../demo/stack.ts';
import { freePorts } from '../../test/support/base/ports.ts';
import { findPeer } from '../../test/support/peers/programs.ts';
import { startNginx } from '../lab/nginx.ts';
import { basicConfig, median, megabytes, runWrk, table } from '../lab.ts';
import type { Place } from './servers.ts';

/** Keys for the methods that go by them; the others do not look at it. */
const PATHS = `local count = 0
request = function()
  count = (count + 1) % 4096
  return wrk.format("GET", "/item/" .. count)
end
`;

/** JIT, and a connection to each server. */
const WARM_UP_SECONDS = 5;

type Method = { readonly title: string; readonly balance: string; readonly weights?: boolean };

const METHODS: readonly Method[] = [
  { title: 'round_robin', balance: 'balance: round_robin' },
  { title: 'round_robin, weights 1 to 5', balance: 'balance: round_robin', weights: true },
  { title: 'least_conn', balance: 'balance: least_conn' },
  { title: 'least_time', balance: 'balance: least_time' },
  { title: 'random_two', balance: 'balance: random_two' },
  { title: 'hash', balance: 'balance: hash' },
  {
    title: 'hash, at most 150 % of the mean',
    balance: 'balance: hash, hash_balance_factor: 150',
  },
  { title: 'ip_hash', balance: 'balance: ip_hash' },
];

export type RequestOptions = {
  readonly few: number;
  readonly many: number;
  readonly rounds: number;
  readonly seconds: number;
  /** Methods whose title holds this. */
  readonly only: string;
};

type Proxy = { readonly port: number; readonly pid: number };
type Cell = { readonly micros: number; readonly kernel: number; readonly errors: number };

export async function requestsTable(
  wrk: string,
  servers: (count: number) => readonly string[],
  places: { readonly proxy: Place; readonly wrk: Place },
  options: RequestOptions,
): Promise<string> {
  const { few, many, rounds, seconds } = options;
  const rows: string[][] = [];
  const compare = async (title: string, proxies: readonly Proxy[]): Promise<void> => {
    const measure = async ({ port, pid }: Proxy, time: number): Promise<Cell> => {
      const [before, kernelBefore] = [cpuSeconds(pid), systemSeconds(pid)];
      const { folder, prefix } = places.wrk;
      const url = `http://127.0.0.1:${port}/`;
      const load = { wrk, url, connections: 64, seconds: time, requests: PATHS, folder, prefix };
      const { requests, errors } = await runWrk(load);
      const perRequest = (seconds: number): number => (seconds * 1e6) / requests;
      const micros = perRequest(cpuSeconds(pid) - before);
      return { micros, kernel: perRequest(systemSeconds(pid) - kernelBefore), errors };
    };
    for (const proxy of proxies) await measure(proxy, WARM_UP_SECONDS);
    const found: Cell[][] = [];
    for (let round = 0; round < rounds; round += 1) {
      const cells: Cell[] = [];
      for (const proxy of proxies) cells.push(await measure(proxy, seconds));
      found.push(cells);
    }
    const medianOf = (at: number, pick: (cell: Cell) => number): number =>
      median(found.flatMap((cells) => cells.slice(at, at + 1)).map(pick));
    const shown = proxies.map((_, at) => {
      const kernel = medianOf(at, (cell) => cell.kernel);
      return `${medianOf(at, (cell) => cell.micros).toFixed(1)} (${kernel.toFixed(1)})`;
    });
    const ratio = median(found.map(([one, other]) => (other?.micros ?? 0) / (one?.micros ?? 1)));
    const resident = proxies.map(({ pid }) => megabytes(residentBytes(pid)));
    const errors = found.flat().reduce((sum, cell) => sum + cell.errors, 0);
    rows.push([title, ...shown, ratio.toFixed(2), ...resident, String(errors)]);
    console.error(`  ${rows.at(-1)?.join(', ')}`);
  };
  for (const method of METHODS.filter(({ title }) => title.includes(options.only))) {
    const stacks: Stack[] = [];
    for (const count of [few, many]) {
      stacks.push(
        await startSluice(`${count} ${method.title}`, method, servers(count), places.proxy),
      );
    }
    await compare(method.title, await Promise.all(stacks.map(proxyOf)));
    for (const stack of stacks) await stack.stop();
  }
  if ('nginx'.includes(options.only)) {
    const proxies: Proxy[] = [];
    for (const count of [few, many]) proxies.push(await startProxy(servers(count), places.proxy));
    await compare('nginx, round robin', proxies);
  }
  if ('haproxy'.includes(options.only)) {
    const proxies: Proxy[] = [];
    for (const count of [few, many]) {
      const haproxy = await startHaproxy(servers(count), places.proxy);
      if (haproxy !== undefined) proxies.push(haproxy);
    }
    if (proxies.length > 0) await compare('haproxy, round robin', proxies);
  }
  return table([
    [
      ...['method', `µs, ${few} servers`, `µs, ${many} servers`, 'ratio'],
      ...[`MB, ${few}`, `MB, ${many}`, 'errors'],
    ],
    ...rows,
  ]);
}

function startSluice(
  name: string,
  { balance, weights }: Method,
  servers: readonly string[],
  place: Place,
): Promise<Stack> {
  const listed = servers.map((address, at) =>
    weights === true ? `{ address: ${address}, weight: ${(at % 5) + 1} }` : address,
  );
  return Stack.start({
    ...place,
    folder: join(place.folder, name.replaceAll(/\W+/g, '-')),
    config: (ports) => `
${basicConfig(ports)}limits: { keepalive_requests: 1000000000 }
proxy: { access_log: off }
upstreams:
  app: { registry: off, ${balance}, servers: [${listed.join(', ')}] }
`,
  });
}

async function proxyOf(stack: Stack): Promise<Proxy> {
  const [worker] = (await stack.status()).workers;
  return { port: stack.ports.gateway, pid: worker?.pid ?? 0 };
}

async function startProxy(servers: readonly string[], place: Place): Promise<Proxy> {
  const [port = 0] = await freePorts(1);
  const http = `access_log off; keepalive_timeout 600s;
upstream app { ${servers.map((server) => `server ${server};`).join(' ')} keepalive 1000; }
server { listen 127.0.0.1:${port}; location / { proxy_pass http://app; proxy_http_version 1.1;
  proxy_set_header Connection ""; } }`;
  const workers = await startNginx({ ...place, name: `nginx-${servers.length}`, port, http });
  return { port, pid: workers?.[0] ?? 0 };
}

async function startHaproxy(servers: readonly string[], place: Place): Promise<Proxy | undefined> {
  const program = findPeer('haproxy');
  if (program === undefined) return undefined;
  const [port = 0] = await freePorts(1);
  const file = join(place.folder, `haproxy-${servers.length}.cfg`);
  await writeFile(
    file,
    `global
  nbthread 1
  maxconn 2000
defaults
  mode http
  timeout client 600s
  timeout server 600s
  timeout connect 5s
  timeout http-keep-alive 600s
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  default_backend app
backend app
  balance roundrobin
${servers.map((server, at) => `  server s${at} ${server}`).join('\n')}
`,
  );
  const [command = '', ...argv] = [...place.prefix, program, '-db', '-f', file];
  const child = start(command, argv);
  place.cleanup.add(() => child.stop());
  await listening(port, child);
  return { port, pid: child.pid };
}
