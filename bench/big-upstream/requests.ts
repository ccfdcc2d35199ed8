// What a request costs the worker with few servers and with many, by method of balancing, in turn.

import { join } from 'node:path';
import { cpuSeconds, residentBytes, Stack } from '../../demo/stack.ts';
import { freePorts } from '../../test/support/base/ports.ts';
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
type Cell = { readonly micros: number; readonly errors: number };

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
      const before = cpuSeconds(pid);
      const { folder, prefix } = places.wrk;
      const url = `http://127.0.0.1:${port}/`;
      const load = { wrk, url, connections: 64, seconds: time, requests: PATHS, folder, prefix };
      const { requests, errors } = await runWrk(load);
      return { micros: ((cpuSeconds(pid) - before) * 1e6) / requests, errors };
    };
    for (const proxy of proxies) await measure(proxy, 2); // Warm-up: JIT, connections.
    const found: Cell[][] = [];
    for (let round = 0; round < rounds; round += 1) {
      const cells: Cell[] = [];
      for (const proxy of proxies) cells.push(await measure(proxy, seconds));
      found.push(cells);
    }
    const micros = proxies.map((_, at) => median(found.map((cells) => cells[at]?.micros ?? 0)));
    const ratio = median(found.map(([one, other]) => (other?.micros ?? 0) / (one?.micros ?? 1)));
    const resident = proxies.map(({ pid }) => megabytes(residentBytes(pid)));
    const errors = found.flat().reduce((sum, cell) => sum + cell.errors, 0);
    const shown = micros.map((value) => value.toFixed(1));
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
  return table([
    [
      ...['method', `µs, ${few} servers`, `µs, ${many}`, 'ratio'],
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
