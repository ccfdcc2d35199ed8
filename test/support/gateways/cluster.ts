// Several gateways as real processes on one registry, each behind a link of its own, with open-loop load on
// every one. What was done to a gateway, and when, is kept: so that what its clients met can be judged.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Load,
  monotonicMs,
  type Result,
  type Summary,
  startLoad,
} from '../../../demo/load.ts';
import {
  type Child,
  Cleanup,
  http,
  listening,
  PROJECT,
  start,
  startApp,
  temporaryFolder,
} from '../../../demo/stack.ts';
import type { DrainDocument, ReceiptDocument, StatusDocument } from '../../../src/admin.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { Address } from '../../../src/base/units.ts';
import { openConsul, openEtcd, type RecordStore } from '../../../src/registry.ts';
import { freePorts } from '../base/ports.ts';
import { childrenOf } from '../base/process-facts.ts';
import { signal } from '../base/signal.ts';
import { type Scope, startConsul } from '../peers/programs.ts';
import { startConsulCluster } from '../registry/consul-cluster.ts';
import { startEtcd } from '../registry/etcd-cluster.ts';
import { Link } from './link.ts';

const SLUICE = join(PROJECT, 'bin/sluice.js');
const CALM_MS = 60_000;

export const REGISTRY_KINDS = ['embedded', 'consul', 'consul-cluster', 'etcd'] as const;
export type RegistryKind = (typeof REGISTRY_KINDS)[number];

/** What a client of a gateway may meet, and from when to when, ms of the monotonic clock. */
export type Trouble = { readonly what: string; readonly fromMs: number; toMs: number };

export type ClusterOptions = {
  readonly registry: RegistryKind;
  readonly gateways: number;
  readonly servers: number;
  /** Requests per second on each gateway. */
  readonly rate: number;
  readonly seed: number;
  /** The servers are run by releases. */
  readonly isReleased?: boolean;
};

export class ClusterGateway {
  readonly at: number;
  readonly port: number;
  readonly admin: number;
  readonly link: Link | undefined;
  readonly results: Result[] = [];
  /** Its clients may fail meanwhile. */
  readonly troubles: Trouble[] = [];
  /** Names of all its processes so far: `pid 7 on web-1`. */
  readonly pids: number[] = [];
  readonly configFile: string;
  #child: Child | undefined;
  #load: Load | undefined;

  constructor(options: {
    readonly at: number;
    readonly port: number;
    readonly admin: number;
    readonly link: Link | undefined;
    readonly configFile: string;
  }) {
    this.at = options.at;
    this.port = options.port;
    this.admin = options.admin;
    this.link = options.link;
    this.configFile = options.configFile;
  }

  get isUp(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(cleanup: Cleanup): Promise<void> {
    const child = start('sh', [
      ...['-c', 'log=$1; shift; exec "$@" >>"$log" 2>&1', 'sh'],
      ...[`${this.configFile}.log`, process.execPath, SLUICE, '-c', this.configFile, 'serve'],
    ]);
    cleanup.add(() => {
      signal(child.pid, 'SIGCONT');
      return child.stop();
    });
    this.#child = child;
    this.pids.push(child.pid);
    await listening(this.admin, child);
    await listening(this.port, child);
  }

  /** @returns the exit code */
  async end(how: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await child?.stop(how);
  }

  workers(): readonly number[] {
    return this.pid === 0 ? [] : childrenOf(this.pid);
  }

  load(rate: number, seed: number): void {
    this.#load = startLoad({
      ...{ host: '127.0.0.1', port: this.port, rate, seed },
      onResult: (result) => this.results.push(result),
    });
  }

  async endLoad(): Promise<Summary | undefined> {
    const load = this.#load;
    this.#load = undefined;
    return await load?.stop();
  }

  trouble(what: string): Trouble {
    const trouble = { what, fromMs: monotonicMs(), toMs: Number.POSITIVE_INFINITY };
    this.troubles.push(trouble);
    return trouble;
  }

  async status(): Promise<StatusDocument> {
    return document<StatusDocument>(await http('GET', this.admin, '/api/status'));
  }

  async setAdmin(server: string, body: object): Promise<{ status: number; text: string }> {
    const path = `/api/upstreams/app/servers/${server}/admin`;
    return http('POST', this.admin, path, JSON.stringify({ owner: 'user:harness', ...body }));
  }

  async awaitIdle(server: string, wait: string): Promise<DrainDocument> {
    const path = `/api/upstreams/app/servers/${server}/idle?wait=${wait}`;
    return document<DrainDocument>(await http('GET', this.admin, path));
  }

  async openReceipt(): Promise<ReceiptDocument> {
    return document<ReceiptDocument>(await http('POST', this.admin, '/api/upstreams/app/receipts'));
  }

  async receipt(id: string): Promise<ReceiptDocument> {
    return document<ReceiptDocument>(await http('GET', this.admin, `/api/receipts/${id}`));
  }

  async cli(argv: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
    const lines: string[] = [];
    const child = start(process.execPath, [SLUICE, '-c', this.configFile, ...argv], {
      env: { NO_COLOR: '1' },
      onLine: (line) => lines.push(line),
    });
    const code = await child.exited;
    return { code, text: code === 0 ? lines.join('\n') : child.tail() };
  }

  async log(): Promise<string> {
    return readFile(`${this.configFile}.log`, 'utf8').catch(() => '');
  }
}

function document<Document>({ status, text }: { status: number; text: string }): Document {
  if (status >= 300) throw new Error(`${status} ${text.slice(0, 300)}`);
  // Of our own control API, of the same version: taken as it is.
  return JSON.parse(text) as Document;
}

export type Cluster = {
  readonly options: ClusterOptions;
  readonly cleanup: Cleanup;
  readonly gateways: readonly ClusterGateway[];
  readonly servers: readonly string[];
  readonly store: RecordStore;
  readonly registry: Address;
  /** Processes of the registry: may be stopped and continued. Empty: it is one of the gateways. */
  readonly agents: readonly { freeze(): void; thaw(): void }[];
};

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const cleanup = new Cleanup();
  const scope: Scope = {
    after: (end: () => unknown) => cleanup.add(async () => void (await end())),
    skip: () => {},
  };
  try {
    return await build(options, cleanup, scope);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function build(options: ClusterOptions, cleanup: Cleanup, scope: Scope): Promise<Cluster> {
  const folder = await temporaryFolder('troubles', cleanup);
  const [embeddedPort = 0, ...ports] = await freePorts(1 + 2 * options.gateways + options.servers);
  const serverPorts = ports.slice(2 * options.gateways);
  const { addresses, agents } = await startRegistry(options.registry, scope);
  const gateways: ClusterGateway[] = [];
  for (let at = 0; at < options.gateways; at += 1) {
    const isHost = options.registry === 'embedded' && at === 0;
    const to = addresses[at % addresses.length] ?? { host: '127.0.0.1', port: embeddedPort };
    const link = isHost ? undefined : await Link.open(scope, to);
    const [port = 0, admin = 0] = ports.slice(2 * at);
    const home = join(folder, `gateway-${at}`);
    await mkdir(home);
    const configFile = join(home, 'sluice.yaml');
    const others = addresses.filter((address) => address !== to).map(({ port: one }) => one);
    const registry = isHost
      ? `embedded: { listen: 127.0.0.1:${embeddedPort} }`
      : `${kindOf(options.registry)}: { addresses: [${[link?.address.port, ...others].map((one) => `127.0.0.1:${one}`).join(', ')}] }`;
    const config = { port, admin, registry, serverPorts, folder };
    await writeFile(configFile, configOf(config, options.isReleased === true));
    gateways.push(new ClusterGateway({ at, port, admin, link, configFile }));
  }
  const servers = serverPorts.map((port) => `127.0.0.1:${port}`);
  if (options.isReleased !== true) for (const port of serverPorts) await startApp(port, cleanup);
  for (const gateway of gateways) await gateway.start(cleanup);
  const registry = addresses[0] ?? { host: '127.0.0.1', port: embeddedPort };
  const where = { addresses: addresses.length > 0 ? addresses : [registry], log: silentLog };
  const store =
    options.registry === 'etcd'
      ? openEtcd({ ...where, ...{ api: 'v3', root: '', user: '', password: '' }, tls: undefined })
      : openConsul(where);
  cleanup.add(() => store.close());
  for (const server of servers) {
    await store.put(`upstreams/app/${server}`, '{"weight":1,"max_fails":2,"fail_timeout":2}');
  }
  return { options, cleanup, gateways, servers, store, registry, agents };
}

async function startRegistry(
  kind: RegistryKind,
  scope: Scope,
): Promise<{ readonly addresses: readonly Address[]; readonly agents: Cluster['agents'] }> {
  if (kind === 'consul') {
    const consul = await startConsul(scope);
    if (consul === undefined) throw new Error('consul is not on this machine: run .ci/peers');
    const agents = consul.servers.map(({ pid }) => ({
      freeze: () => signal(pid, 'SIGSTOP'),
      thaw: () => signal(pid, 'SIGCONT'),
    }));
    return { addresses: consul.addresses, agents };
  }
  if (kind === 'etcd') {
    const etcd = await startEtcd(scope, { members: 3 });
    if (etcd === undefined) throw new Error('etcd is not on this machine: run .ci/peers');
    await etcd.ready();
    return { addresses: etcd.addresses, agents: etcd.members };
  }
  if (kind === 'consul-cluster') {
    const cluster = await startConsulCluster(scope);
    if (cluster === undefined) throw new Error('consul is not on this machine: run .ci/peers');
    return { addresses: cluster.addresses, agents: cluster.nodes };
  }
  return { addresses: [], agents: [] };
}

/** Its section of the configuration. */
function kindOf(kind: RegistryKind): string {
  return kind === 'etcd' ? 'etcd' : 'consul';
}

function configOf(
  values: {
    readonly port: number;
    readonly admin: number;
    readonly registry: string;
    readonly serverPorts: readonly number[];
    readonly folder: string;
  },
  isReleased: boolean,
): string {
  const { port, admin, registry, serverPorts, folder } = values;
  const instances = serverPorts.map((one) => `127.0.0.1:${one}`).join(', ');
  const app = JSON.stringify(join(PROJECT, 'demo/app.ts'));
  const service = `services:
  app:
    instances: [${instances}]
    run_dir: ${folder}
    start: [${JSON.stringify(process.execPath)}, ${app}, -h, "{host}", -p, "{port}"]
    env: { VERSION: "{version}" }
    check: { path: /ping, interval: 250ms, rise: 2, deadline: 20s }
    expect_version: { header: x-app-version }
    drain: { timeout: 30s }
`;
  return `state_dir: state
workers: 2
log_level: info
listen: 127.0.0.1:${port}
admin: { listen: 127.0.0.1:${admin} }
registry: { ${registry} }
shutdown_timeout: 5s
upstreams:
  app:
    check: { type: http, path: /ping, interval: 500ms, timeout: 2s, rise: 1, fall: 3 }
${isReleased ? service : ''}`;
}

/** Resolves when all gateways that are up see each other and agree; rejects when they do not. */
export async function calm({ gateways }: Cluster, eligible = 0): Promise<void> {
  const up = gateways.filter(({ isUp }) => isUp);
  await until(`${up.length} gateways agree`, CALM_MS, async () => {
    const documents = await Promise.all(up.map((gateway) => gateway.status()));
    const isCalm = documents.every(
      (one) =>
        one.gateways.filter(({ state, current }) => state === 'live' && current).length >=
          up.length && (one.upstreams[0]?.eligible ?? 0) >= eligible,
    );
    return isCalm
      ? ''
      : JSON.stringify(
          documents.map(({ gateways: g, upstreams }) => [
            g.map(({ name, state, current }) => [name, state, current]),
            upstreams[0]?.eligible,
          ]),
        );
  });
}

/** `why` gives '' when it is so. */
export async function until(
  what: string,
  timeoutMs: number,
  why: () => Promise<string>,
): Promise<void> {
  const deadlineMs = monotonicMs() + timeoutMs;
  for (;;) {
    const trouble = await why().catch((error: unknown) => String(error));
    if (trouble === '') return;
    if (monotonicMs() > deadlineMs) throw new Error(`not in ${timeoutMs} ms: ${what}: ${trouble}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
