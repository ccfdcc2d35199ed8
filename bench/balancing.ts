// Claim: a key stays at its server, shares follow the weights, and when a server leaves only its own keys
// move, as with nginx and HAProxy. The same keys go through all three, before and after the third of
// five servers (weights 1, 1, 2, 3, 3) has left; ours also against nginx key by key.
//
//   node bench/balancing.ts [--keys 10000]

import { writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cleanup, listening, Stack, start, temporaryFolder } from '../demo/stack.ts';
import { freePorts } from '../test/support/base/ports.ts';
import { findPeer } from '../test/support/peers/programs.ts';
import { startNginx } from './lab/nginx.ts';
import { table } from './lab.ts';

const WEIGHTS = [1, 1, 2, 3, 3];
const LEAVER = 2;
const CONCURRENCY = 32;

export type BalancingOptions = { readonly keys: number };

type Method = {
  readonly name: string;
  readonly sluice: string;
  readonly nginx: string;
  readonly haproxy: string;
  readonly fields: (key: number) => Readonly<Record<string, string>>;
};

const METHODS: readonly Method[] = [
  {
    name: 'hash of a header',
    sluice: 'balance: hash, hash_key: header:x-key',
    nginx: 'hash $http_x_key consistent;',
    haproxy: 'balance hdr(x-key)\n  hash-type consistent',
    fields: (key) => ({ 'x-key': `/item/${key}` }),
  },
  {
    name: "client's network",
    sluice: 'balance: ip_hash',
    nginx: 'ip_hash;',
    haproxy: 'balance source\n  hash-type consistent',
    fields: (key) => ({ 'x-forwarded-for': `198.${18 + (key >> 16)}.${(key >> 8) & 255}.1` }),
  },
];

/** Starts one proxy over the servers at these places; the port of its front. */
type Front = (method: Method, places: readonly number[]) => Promise<number>;

export async function run({ keys }: BalancingOptions = { keys: 10_000 }): Promise<string> {
  const cleanup = new Cleanup();
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  try {
    const folder = await temporaryFolder('balancing', cleanup);
    const ports = await freePorts(WEIGHTS.length);
    await startServers(folder, ports, cleanup);
    const fronts: Readonly<Record<string, Front>> = {
      sluice: (method, places) => startSluice({ folder, ports, cleanup }, method, places),
      nginx: (method, places) => startProxy({ folder, ports, cleanup }, method, places),
      haproxy: (method, places) => startHaproxy({ folder, ports, cleanup }, method, places),
    };
    const rows = [
      ['method', 'proxy', 'largest error of a share', 'keys moved', 'needlessly', 'as nginx'],
    ];
    const all = WEIGHTS.map((_, place) => place);
    for (const method of METHODS) {
      let reference: readonly number[] = [];
      for (const name of ['nginx', 'sluice', 'haproxy']) {
        const front = fronts[name];
        if (front === undefined) continue;
        const before = await ask(await front(method, all), { method, keys, agent, ports });
        const rest = all.filter((place) => place !== LEAVER);
        const after = await ask(await front(method, rest), { method, keys, agent, ports });
        if (name === 'nginx') reference = before;
        rows.push(rowOf(method.name, name, before, after, reference));
      }
    }
    return [
      `${keys} keys over servers of weight ${WEIGHTS.join(', ')}; then the third leaves. "Needlessly": keys that`,
      'moved although their server stayed. ip_hash of nginx takes the sum of the weights, so that nearly all move.',
      '',
      table(rows),
    ].join('\n');
  } finally {
    agent.destroy();
    await cleanup.run();
  }
}

function rowOf(
  method: string,
  proxy: string,
  before: readonly number[],
  after: readonly number[],
  reference: readonly number[],
): string[] {
  const sum = WEIGHTS.reduce((total, weight) => total + weight, 0);
  const percent = (part: number): string => `${((100 * part) / before.length).toFixed(1)} %`;
  const errors = WEIGHTS.map((weight, place) => {
    const count = before.filter((owner) => owner === place).length;
    return Math.abs(count / before.length / (weight / sum) - 1);
  });
  const moved = before.filter((owner, key) => owner !== after[key]);
  const needless = moved.filter((owner) => owner !== LEAVER);
  const same = before.filter((owner, key) => owner === reference[key]);
  return [
    method,
    proxy,
    `${(100 * Math.max(...errors)).toFixed(0)} %`,
    percent(moved.length),
    percent(needless.length),
    proxy === 'haproxy' ? '' : percent(same.length),
  ];
}

/** The place of the server that answers each key. */
async function ask(
  port: number,
  options: { method: Method; keys: number; agent: Agent; ports: readonly number[] },
): Promise<number[]> {
  const { method, keys, agent, ports } = options;
  const owners: number[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let key = next++; key < keys; key = next++) {
      owners[key] = ports.indexOf(await answerOf(port, agent, method.fields(key)));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return owners;
}

function answerOf(
  port: number,
  agent: Agent,
  headers: Readonly<Record<string, string>>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent, headers }, (answer) => {
      let body = '';
      answer.setEncoding('latin1');
      answer.on('data', (text: string) => {
        body += text;
      });
      answer.on('end', () => resolve(Number(body)));
    }).on('error', reject);
  });
}

type Ground = {
  readonly folder: string;
  readonly ports: readonly number[];
  readonly cleanup: Cleanup;
};

async function startSluice(ground: Ground, method: Method, places: readonly number[]) {
  const servers = places.map(
    (place) => `{ address: 127.0.0.1:${ground.ports[place]}, weight: ${WEIGHTS[place]} }`,
  );
  const stack = await Stack.start({
    cleanup: ground.cleanup,
    folder: join(ground.folder, `sluice-${method.sluice.replace(/\W/g, '')}-${places.length}`),
    config: ({ gateway, admin, registry }) => `
state_dir: state
log_level: warn
listen: 127.0.0.1:${gateway}
admin: { listen: 127.0.0.1:${admin} }
registry: { embedded: { listen: 127.0.0.1:${registry} } }
proxy: { trusted_proxies: [127.0.0.1] }
upstreams: { app: { registry: off, ${method.sluice}, servers: [${servers.join(', ')}] } }
`,
  });
  return stack.ports.gateway;
}

async function startServers(folder: string, ports: readonly number[], cleanup: Cleanup) {
  const servers = ports.map((port) => `server { listen 127.0.0.1:${port}; return 200 "${port}"; }`);
  await nginx({ folder, ports, cleanup }, 'servers', servers.join('\n'), ports[0] ?? 0);
}

async function startProxy(ground: Ground, method: Method, places: readonly number[]) {
  const [port = 0] = await freePorts(1);
  const servers = places.map(
    (place) => `server 127.0.0.1:${ground.ports[place]} weight=${WEIGHTS[place]};`,
  );
  const text = `upstream app { ${method.nginx} ${servers.join(' ')} }
    server { listen 127.0.0.1:${port}; set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
      location / { proxy_pass http://app; } }`;
  await nginx(ground, `front-${port}`, text, port);
  return port;
}

async function nginx(ground: Ground, name: string, http: string, port: number): Promise<void> {
  const text = `access_log off; ${http}`;
  if ((await startNginx({ ...ground, name, port, http: text })) === undefined)
    throw new Error('nginx is not installed: nothing to compare with');
}

async function startHaproxy(ground: Ground, method: Method, places: readonly number[]) {
  const program = findPeer('haproxy');
  if (program === undefined) throw new Error('haproxy is not installed: nothing to compare with');
  const [port = 0] = await freePorts(1);
  const file = join(ground.folder, `haproxy-${port}.cfg`);
  const servers = places.map(
    (place) =>
      `  server s${place} 127.0.0.1:${ground.ports[place]} id ${place + 1} weight ${WEIGHTS[place]}`,
  );
  await writeFile(
    file,
    `defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend in
  bind 127.0.0.1:${port}
  http-request set-src hdr(x-forwarded-for) if { req.hdr(x-forwarded-for) -m found }
  default_backend app
backend app
  ${method.haproxy}
${servers.join('\n')}
`,
  );
  const child = start(program, ['-db', '-f', file]);
  ground.cleanup.add(() => child.stop());
  await listening(port, child);
  return port;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { keys: { type: 'string', default: '10000' } } });
  console.log(await run({ keys: Number(values.keys) }));
}
