// A real Consul cluster of three servers on loopback, as small teams run it on one host: data centre
// `es8-dc`, five ports a node, data on disk. Nodes can be killed, frozen, thawed and started again on
// their ports, all at once or one by one. The ports are free ones, so that tests can run side by side.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Address, formatAddress } from '../../../src/base/units.ts';
import { freePorts } from '../base/ports.ts';
import { needPeer, type Scope } from '../peers/programs.ts';
import { standStill } from '../peers/stand-still.ts';

export const DATACENTER = 'es8-dc';
const START_TIMEOUT_MS = 60_000;
const ASK_TIMEOUT_MS = 1_000;

export class ConsulNode {
  /** Of its HTTP API. */
  readonly address: Address;
  /** Where the servers speak with each other; what Consul calls the leader's address. */
  readonly #server: Address;
  readonly #argv: readonly string[];
  readonly #log: string;
  #child: ChildProcess | undefined;

  constructor(options: {
    readonly address: Address;
    readonly server: Address;
    readonly argv: readonly string[];
    readonly log: string;
  }) {
    this.address = options.address;
    this.#server = options.server;
    this.#argv = options.argv;
    this.#log = options.log;
  }

  /** It is the one that this answer of `/v1/status/leader` names. */
  isNamedBy(leader: string): boolean {
    return leader.trim() === JSON.stringify(formatAddress(this.#server));
  }

  start(): void {
    // The shell only lends the log file; exec keeps the process id ours.
    const script = 'log=$1; shift; exec "$@" >>"$log" 2>&1';
    this.#child = spawn('sh', ['-c', script, 'sh', this.#log, ...this.#argv], { stdio: 'ignore' });
  }

  /** It stands still, and nobody is told: its connections stay open and are silent. */
  freeze(): void {
    const pid = this.#child?.pid;
    if (pid !== undefined) standStill(pid);
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  get ended(): boolean {
    return typeof this.#child?.exitCode === 'number';
  }

  /** The last lines that it wrote. */
  async said(): Promise<string> {
    return (await readFile(this.#log, 'utf8').catch(() => '')).slice(-2_000);
  }
}

export type ClusterOptions = {
  /** Default: 3. */
  readonly servers?: number;
  /** More of the configuration, the same for all: `acl`, `performance`, `verify_incoming`, … */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The API is served by TLS alone; whether it is ready is then not awaited. */
  readonly https?: boolean;
  /** That may read everything, where ACLs are on. */
  readonly token?: string;
};

export class ConsulCluster {
  readonly nodes: readonly ConsulNode[];

  readonly #token: string;

  constructor(nodes: readonly ConsulNode[], token: string) {
    this.nodes = nodes;
    this.#token = token;
  }

  get addresses(): readonly Address[] {
    return this.nodes.map(({ address }) => address);
  }

  /** The node that leads, as one that is asked says. */
  async leader(): Promise<ConsulNode> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadlineMs) {
      for (const { address } of this.nodes) {
        const named = await ask(address, '/v1/status/leader');
        const leader = this.nodes.find((node) => node.isNamedBy(named));
        if (leader !== undefined) return leader;
      }
      await delay(50);
    }
    return assert.fail('no server says who leads');
  }

  /** The two or so that do not lead, in their order. */
  async followers(): Promise<readonly ConsulNode[]> {
    const leader = await this.leader();
    return this.nodes.filter((node) => node !== leader);
  }

  /** Kills all and starts them again, with their data. */
  async restart(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    for (const node of this.nodes) node.start();
    await this.ready();
  }

  /** Every node answers a read that its leader has to confirm. */
  async ready(): Promise<void> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    for (const node of this.nodes) {
      while ((await ask(node.address, `/v1/kv/?keys&consistent&token=${this.#token}`)) === '') {
        if (node.ended || performance.now() > deadlineMs) {
          assert.fail(`consul did not start:\n${await node.said()}`);
        }
        await delay(50);
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
  }
}

/** A cluster with a leader; ended after the test. Undefined: skipped. */
export async function startConsulCluster(
  t: Scope,
  options: ClusterOptions = {},
): Promise<ConsulCluster | undefined> {
  const program = needPeer(t, 'consul');
  if (program === undefined) return undefined;
  const { servers = 3, settings = {}, https = false, token = '' } = options;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-consul-'));
  const ports = await freePorts(5 * servers);
  const nodes: ConsulNode[] = [];
  for (let at = 0; at < servers; at++) {
    const [api = 0, dns = 0, server = 0, serf = 0, wan = 0] = ports.slice(5 * at);
    const name = `${DATACENTER}-node${at + 1}`;
    const data = join(folder, name);
    await mkdir(data);
    const config = {
      datacenter: DATACENTER,
      node_name: name,
      server: true,
      bootstrap_expect: servers,
      data_dir: data,
      bind_addr: '127.0.0.1',
      client_addr: '127.0.0.1',
      advertise_addr: '127.0.0.1',
      ports: {
        [https ? 'https' : 'http']: api,
        ...(https ? { http: -1 } : {}),
        ...{ dns, server, serf_lan: serf, serf_wan: wan, grpc: -1 },
      },
      // The first names the second and the others the first: a restarted node finds one that lives.
      retry_join: [`127.0.0.1:${ports[at === 0 && servers > 1 ? 8 : 3]}`],
      retry_interval: '1s',
      disable_update_check: true,
      log_level: 'WARN',
      // The fastest detection of a lost leader that Consul offers.
      performance: { raft_multiplier: 1 },
      ...settings,
    };
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify(config));
    const host = '127.0.0.1';
    nodes.push(
      new ConsulNode({
        address: { host, port: api },
        server: { host, port: server },
        argv: [program, 'agent', `-config-file=${file}`],
        log: join(folder, `${name}.log`),
      }),
    );
  }
  const cluster = new ConsulCluster(nodes, token);
  t.after(async () => {
    await cluster.close();
    await rm(folder, { recursive: true, force: true });
  });
  for (const node of nodes) node.start();
  if (!https) await cluster.ready();
  return cluster;
}

/** The body of a 200 within a second, else ''. */
function ask({ host, port }: Address, path: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ host, port, path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => resolve(''));
      response.on('end', () => {
        resolve(response.statusCode === 200 ? Buffer.concat(chunks).toString() : '');
      });
    });
    const timer = setTimeout(() => request.destroy(), ASK_TIMEOUT_MS);
    request.on('close', () => {
      clearTimeout(timer);
      resolve('');
    });
    request.on('error', () => resolve(''));
  });
}
