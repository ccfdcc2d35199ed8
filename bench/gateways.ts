// Claims about several gateways on one registry:
// - a change of intent is in force on all gateways, and acknowledged, within 100 ms;
// - releases through either of two gateways lose no request of either, and the receipts say what the
//   clients saw.
//
//   node bench/gateways.ts [--releases 100] [--changes 50] [--rate 100] [--counts 1,2,8]

import { parseArgs } from 'node:util';
import { monotonicMs, percentile, type Summary, startLoad } from '../demo/load.ts';
import {
  appConfig,
  Cleanup,
  endApps,
  http,
  type Ports,
  Stack,
  temporaryFolder,
} from '../demo/stack.ts';
import type { ReceiptDocument } from '../src/admin.ts';
import { freePorts } from '../test/support/base/ports.ts';
import { findPeer, startConsul } from '../test/support/peers/programs.ts';
import { startEtcd } from '../test/support/registry/etcd-cluster.ts';
import { table } from './lab.ts';

export type GatewaysOptions = {
  readonly releases: number;
  readonly changes: number;
  readonly rate: number;
  readonly counts: readonly number[];
};

const DEFAULTS: GatewaysOptions = { releases: 100, changes: 50, rate: 100, counts: [1, 2, 8] };

export async function run(options: GatewaysOptions = DEFAULTS): Promise<string> {
  const parts = [
    await changes(options),
    await releases(options, 'embedded'),
    ...(findPeer('consul') === undefined ? [] : [await releases(fewer(options), 'consul')]),
  ];
  return parts.join('\n\n');
}

/** There the registry is another; the releases are the same. */
function fewer(options: GatewaysOptions): GatewaysOptions {
  return { ...options, releases: Math.ceil(options.releases / 5) };
}

type Registry = 'embedded' | 'consul' | 'etcd';

/** The first has the embedded registry, unless there is a Consul or an etcd. */
async function startGateways(
  cleanup: Cleanup,
  count: number,
  registry: Registry,
  config: (ports: Ports, isConsul: boolean) => string,
): Promise<readonly Stack[]> {
  let registryPort: number | undefined;
  if (registry !== 'embedded') {
    const scope = {
      after: (end: () => unknown) => cleanup.add(async () => void (await end())),
      skip: () => {},
    };
    const started = await (registry === 'consul' ? startConsul(scope) : startEtcd(scope));
    registryPort = started?.addresses[0]?.port;
  }
  const stacks: Stack[] = [];
  for (let at = 0; at < count; at += 1) {
    const consulPort = registryPort;
    const stack = await Stack.start({
      cleanup,
      folder: await temporaryFolder(`gateways-${at}`, cleanup),
      config: (ports) => config(ports, consulPort !== undefined),
      ...(consulPort === undefined ? {} : { consulPort }),
    });
    registryPort ??= stack.ports.registry;
    stacks.push(stack);
  }
  await until(async () => {
    const documents = await Promise.all(stacks.map((stack) => stack.status()));
    return documents.every(
      ({ gateways }) =>
        gateways.filter(({ state, current }) => state === 'live' && current).length === count,
    );
  });
  return stacks;
}

async function changes({ changes: count, counts }: GatewaysOptions): Promise<string> {
  const others = (['consul', 'etcd'] as const).filter((name) => findPeer(name) !== undefined);
  const kinds: readonly Registry[] = ['embedded', ...others];
  const rows: string[][] = [];
  for (const gateways of counts) {
    for (const kind of kinds) rows.push(await changeRow(kind, gateways, count));
  }
  return [
    `A drain through one gateway (\`POST …/admin\`, then \`…/idle\`) until every gateway has confirmed it and is idle, ms; ${count} ` +
      'drains and their undrains, no load, all processes on one machine.',
    table([
      ['registry', 'gateways', 'drain p50', 'p99', 'max', 'undrain p50', 'p99', 'max'],
      ...rows,
    ]),
  ].join('\n\n');
}

async function changeRow(kind: Registry, gateways: number, count: number): Promise<string[]> {
  const cleanup = new Cleanup();
  try {
    const servers = ['127.0.0.1:1', '127.0.0.1:2'];
    const stacks = await startGateways(cleanup, gateways, kind, (ports, isClient) =>
      [
        `state_dir: state\nworkers: 1\nlog_level: warn\nlisten: 127.0.0.1:${ports.gateway}`,
        `admin: { listen: 127.0.0.1:${ports.admin} }`,
        `registry: ${registryOf(kind, isClient, ports.registry)}`,
        `upstreams: { app: { servers: [${servers.join(', ')}] } }\n`,
      ].join('\n'),
    );
    const [first] = stacks;
    if (first === undefined) throw new Error('gateways: none was started');
    const path = `/api/upstreams/app/servers/${servers[0]}`;
    const drains: number[] = [];
    const undrains: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const out = await timed(async () => {
        await post(first, `${path}/admin`, { state: 'drain', owner: 'user:bench' });
        const { text } = await http('GET', first.ports.admin, `${path}/idle?wait=10s`);
        if (!text.includes('"idle":true')) throw new Error(`gateways: not idle: ${text}`);
      });
      drains.push(out);
      undrains.push(
        await timed(() => post(first, `${path}/admin`, { state: 'ready', owner: 'user:bench' })),
      );
    }
    return [kind, String(gateways), ...spread(drains), ...spread(undrains)];
  } finally {
    await cleanup.run();
  }
}

/** Beside the first, gateways speak with its embedded registry as with a Consul. */
function registryOf(kind: Registry, isClient: boolean, port: number): string {
  if (!isClient) return `{ embedded: { listen: 127.0.0.1:${port} } }`;
  return `{ ${kind === 'etcd' ? 'etcd' : 'consul'}: { addresses: [127.0.0.1:${port}] } }`;
}

function spread(values: readonly number[]): string[] {
  const sorted = values.toSorted((left, right) => left - right);
  return [0.5, 0.99, 1].map((share) => percentile(sorted, share).toFixed(1));
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const startMs = monotonicMs();
  await act();
  return monotonicMs() - startMs;
}

async function post(stack: Stack, path: string, body: object): Promise<string> {
  const { status, text } = await http('POST', stack.ports.admin, path, JSON.stringify(body));
  if (status >= 300) throw new Error(`gateways: POST ${path}: ${status} ${text}`);
  return text;
}

/** Releases through the one and the other in turn, under load on both. */
async function releases(
  { releases: count, rate }: GatewaysOptions,
  kind: Registry,
): Promise<string> {
  const cleanup = new Cleanup();
  try {
    const instances = await freePorts(2);
    const state = await temporaryFolder('gateways-run', cleanup);
    const stacks = await startGateways(cleanup, 2, kind, (ports, isConsul) =>
      // One journal, whichever gateway's configuration a release is started with.
      appConfig({ ports, instances, isConsul }).replace(
        '    start:',
        `    run_dir: ${state}\n    start:`,
      ),
    );
    cleanup.add(() => endApps(instances));
    const [first] = stacks;
    if (first === undefined) throw new Error('gateways: none was started');
    for (const port of instances)
      await first.put(`upstreams/app/127.0.0.1:${port}`, '{"weight":1}');
    await deploy(first, 'v1');
    for (const stack of stacks) await stack.eligible('app', instances.length);
    const incomplete: string[] = [];
    const groups: Group[] = [];
    for (let at = 1; at <= count; at += 1) {
      const last = Math.min(count, at + GROUP - 1);
      const opened = await http('POST', first.ports.admin, '/api/upstreams/app/receipts');
      const { id } = JSON.parse(opened.text) as ReceiptDocument;
      const loads = stacks.map((stack, seed) =>
        startLoad({ host: '127.0.0.1', port: stack.ports.gateway, rate, seed: at + seed }),
      );
      for (; at <= last; at += 1) {
        const text = await deploy(stacks[at % stacks.length] ?? first, `v${at + 1}`);
        if (!/ 0 cut, 0 lost/.test(text) || /INCOMPLETE/.test(text)) incomplete.push(text);
      }
      at -= 1;
      const seen = await Promise.all(loads.map((load) => load.stop()));
      const read = await http('GET', first.ports.admin, `/api/receipts/${id}`);
      groups.push({ seen, receipt: JSON.parse(read.text) as ReceiptDocument });
    }
    return report(kind, count, rate, groups, incomplete);
  } finally {
    await cleanup.run();
  }
}

/** A gateway keeps the newest receipts only, and each release opens one: so this many have one of ours. */
const GROUP = 50;

/** What the clients of each gateway saw during some releases, and the receipt of that time. */
type Group = { readonly seen: readonly Summary[]; readonly receipt: ReceiptDocument };

function sum(numbers: readonly number[]): string {
  return String(numbers.reduce((all, one) => all + one, 0));
}

async function deploy(stack: Stack, version: string): Promise<string> {
  const { code, text } = await stack.cli(['deploy', 'app', '--version', version]);
  if (code !== 0) throw new Error(`deploy ${version} ended with ${code}:\n${text}`);
  return text;
}

function report(
  kind: Registry,
  count: number,
  rate: number,
  groups: readonly Group[],
  incomplete: readonly string[],
): string {
  const [first] = groups;
  const seen = groups.flatMap((group) => group.seen);
  const rows = (first?.seen ?? []).map((_, at) => {
    const clients = groups.flatMap((group) => group.seen[at] ?? []);
    const parts = groups.flatMap((group) => group.receipt.gateways[at] ?? []);
    return [
      String(at + 1),
      ...(['requests', 'ok', 'failed'] as const).map((name) =>
        sum(clients.map((one) => one[name])),
      ),
      ...(['requests', 'answered', 'retried', 'cut', 'lost'] as const).map((name) =>
        sum(parts.map((one) => one[name])),
      ),
      Math.max(...clients.map(({ longestGapMs }) => longestGapMs)).toFixed(0),
    ];
  });
  return [
    `${count} releases of two instances, through one and the other gateway in turn, ${kind} registry, ${rate} requests/s on each of the two ` +
      `gateways (mixed, with POSTs). Receipts that were not "0 cut, 0 lost" or not complete: ${incomplete.length}.`,
    table([
      [
        ...['gateway', 'sent', 'right', 'failed', 'on the receipt', 'answered', 'retried', 'cut'],
        ...['lost', 'longest gap ms'],
      ],
      ...rows,
    ]),
    ...incomplete.slice(0, 1).map((text) => `\`\`\`\n${text}\n\`\`\``),
    ...seen
      .flatMap(({ failures }) => failures.slice(0, 3))
      .map((failure) => `\`${JSON.stringify(failure)}\``),
  ].join('\n\n');
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 30_000;
  while (!(await isDone())) {
    if (Date.now() > deadlineMs) throw new Error('gateways: do not see each other');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      releases: { type: 'string', default: String(DEFAULTS.releases) },
      changes: { type: 'string', default: String(DEFAULTS.changes) },
      rate: { type: 'string', default: String(DEFAULTS.rate) },
      counts: { type: 'string', default: DEFAULTS.counts.join() },
    },
  });
  console.log(
    await run({
      releases: Number(values.releases),
      changes: Number(values.changes),
      rate: Number(values.rate),
      counts: values.counts.split(',').map(Number),
    }),
  );
}
