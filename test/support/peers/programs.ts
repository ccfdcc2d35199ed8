// The real programs that tests compare with or run against: where they are, and a real Consul. A
// program that is missing skips the test with a visible line, and fails it when CI is set.
// `.ci/peers` installs them.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Address } from '../../../src/base/units.ts';
import { freePorts } from '../base/ports.ts';

export type Peer =
  | 'nginx'
  | 'haproxy'
  | 'wrk'
  | 'etcd'
  | 'consul'
  | 'openssl'
  | 'unbound'
  | 'sshd'
  | 'busybox'
  | 'chromium'
  | 'promtool'
  | 'clang'
  | 'wasm-ld'
  | 'ssh'
  | 'curl';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const START_TIMEOUT_MS = 60_000;

/** The part of a test that is needed here, so that a bench can pass its own. */
export type Scope = Pick<TestContext, 'after' | 'skip'>;

/** The path of a program, or undefined when this machine does not have it. */
export function findPeer(name: Peer): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const folder of [...folders, join(ROOT, '.peers/usr/bin')]) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here; the next folder.
    }
  }
  return undefined;
}

/** The path of a program, or undefined after having skipped the test. Fails the test in CI. */
export function needPeer(t: Scope, name: Peer): string | undefined {
  const path = findPeer(name);
  if (path !== undefined) return path;
  const missing = `${name} is not on this machine: run .ci/peers`;
  if (process.env['CI'] !== undefined && process.env['CI'] !== '') assert.fail(missing);
  t.skip(missing);
  return undefined;
}

export type ConsulOptions = {
  readonly servers?: 1 | 3;
  /** Data on disk, here; without it one server keeps its data in memory (`-dev`). */
  readonly dataDir?: string;
  /** Further keys of each server's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
};

export type ConsulServer = {
  readonly address: Address;
  readonly pid: number;
  /** Ends the server, without warning by default, and resolves when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
};

export type RunningConsul = {
  readonly addresses: readonly Address[];
  readonly servers: readonly ConsulServer[];
};

/** A real Consul on free loopback ports, with a leader; ended after the test. Undefined: skipped. */
export async function startConsul(
  t: Scope,
  options: ConsulOptions = {},
): Promise<RunningConsul | undefined> {
  const path = needPeer(t, 'consul');
  if (path === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-consul-'));
  const children: ChildProcess[] = [];
  t.after(async () => {
    await Promise.all(children.map((child) => end(child, 'SIGKILL')));
    await rm(folder, { recursive: true, force: true });
  });
  const count = options.servers ?? 1;
  const ports = await freePorts(3 * count);
  const join0 = `127.0.0.1:${ports[2]}`;
  const servers: ConsulServer[] = [];
  const logs: string[] = [];
  for (let at = 0; at < count; at++) {
    const [http = 0, server = 0, serf = 0] = ports.slice(3 * at);
    const name = `consul${at}`;
    const memory = count === 1 && options.dataDir === undefined;
    const config = {
      node_name: name,
      server: true,
      bind_addr: '127.0.0.1',
      client_addr: '127.0.0.1',
      advertise_addr: '127.0.0.1',
      ports: { http, server, serf_lan: serf, serf_wan: -1, dns: -1, grpc: -1 },
      disable_update_check: true,
      log_level: 'WARN',
      // The fastest detection of a lost leader that Consul offers.
      performance: { raft_multiplier: 1 },
      limits: { http_max_conns_per_client: 15_000 },
      ...(memory ? {} : { data_dir: dataFolder(options.dataDir, folder, name) }),
      ...(memory ? {} : { bootstrap_expect: count }),
      ...(at === 0 ? {} : { retry_join: [join0], retry_interval: '1s' }),
      ...options.config,
    };
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify(config));
    const log = join(folder, `${name}.log`);
    logs.push(log);
    const argv = ['agent', ...(memory ? ['-dev'] : []), `-config-file=${file}`];
    // The shell only lends the log file; exec keeps the process id ours.
    const script = 'log=$1; shift; exec "$@" >"$log" 2>&1';
    const child = spawn('sh', ['-c', script, 'sh', log, path, ...argv], { stdio: 'ignore' });
    children.push(child);
    servers.push({
      address: { host: '127.0.0.1', port: http },
      pid: child.pid ?? 0,
      kill: (signal = 'SIGKILL') => end(child, signal),
    });
  }
  await awaitLeader(servers, logs, children);
  return { addresses: servers.map(({ address }) => address), servers };
}

function dataFolder(dataDir: string | undefined, folder: string, name: string): string {
  return join(dataDir ?? folder, `${name}-data`);
}

async function awaitLeader(
  servers: readonly ConsulServer[],
  logs: readonly string[],
  children: readonly ChildProcess[],
): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (const { address } of servers) {
    while (!(await hasLeader(address))) {
      const dead = children.find(({ exitCode }) => exitCode !== null);
      if (dead !== undefined || performance.now() > deadlineMs) {
        const texts = await Promise.all(logs.map((log) => readFile(log, 'utf8').catch(() => '')));
        assert.fail(`consul did not start:\n${texts.join('\n').slice(-4000)}`);
      }
      await delay(50);
    }
  }
}

/** A read with the default consistency fails while there is no leader. */
function hasLeader({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host, port, path: '/v1/kv/?keys', agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 200));
    });
    request.setTimeout(2_000, () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}
