// Builders for whole-program tests: a daemon in this process or in one of its own, servers that
// answer when they are told to, and small clients. Everything is closed in t.after.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { DrainDocument, StatusDocument } from '../../../src/admin.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { Address } from '../../../src/base/units.ts';
import { type Config, parseConfig } from '../../../src/config.ts';
import { type Daemon, type DaemonOptions, startDaemon } from '../../../src/daemon.ts';
import type { RegistrySettings } from '../../../src/registry.ts';

/** Configurations with the upstream `app`, unchecked and checked. */
export const PLAIN = 'upstreams: { app: {} }';
export const CHECKED =
  'upstreams: { app: { check: { type: http, path: /ping, interval: 50ms, rise: 1, fall: 1 } } }';

type Scope = Pick<TestContext, 'after'>;

export function temporaryDir(t: Scope): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-daemon-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A config on free ports; `yaml` says the rest. */
export function daemonConfig(yaml: string, dir: string): Config {
  const config = parseConfig(
    `log_level: silent\nstate_dir: ${join(dir, 'state')}\n${yaml}`,
    join(dir, 'sluice.yaml'),
  );
  const free = { host: '127.0.0.1', port: 0 };
  return {
    ...config,
    gateway: { ...config.gateway, listen: [{ id: 'test', ...free }] },
    admin: { ...config.admin, listen: free },
    registry: { ...config.registry, settings: listeningOn(config.registry.settings, free) },
  };
}

/** The same registry, at that address if it is one that listens. */
export function listeningOn(settings: RegistrySettings, listen: Address): RegistrySettings {
  return settings.kind === 'embedded' ? { ...settings, listen } : settings;
}

export type RunningDaemon = Daemon & {
  readonly gateway: string;
  readonly control: string;
};

export async function runDaemon(
  t: Scope,
  config: Config,
  options: Partial<DaemonOptions> = {},
): Promise<RunningDaemon> {
  const daemon = await startDaemon(config, { log: silentLog, ...options });
  t.after(() => daemon.close());
  return { ...daemon, ...urls(daemon.addresses) };
}

export type ChildDaemon = {
  readonly process: ChildProcess;
  readonly gateway: string;
  readonly control: string;
};

/** A daemon in a process of its own, to be killed. */
export async function runDaemonProcess(t: Scope, config: Config): Promise<ChildDaemon> {
  const child = fork(new URL('./process.ts', import.meta.url), [JSON.stringify(config)], {
    execArgv: [],
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    // It may stand still, where the test has failed before it let it go on.
    child.kill('SIGCONT');
    await exited;
  });
  const [message] = await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => Promise.reject(new Error(`the daemon ended with code ${code}`))),
  ]);
  return { process: child, ...urls(message as Daemon['addresses']) };
}

function urls(addresses: Daemon['addresses']): {
  readonly gateway: string;
  readonly control: string;
} {
  return {
    gateway: `http://127.0.0.1:${addresses.gateway[0]?.port}`,
    control: `http://127.0.0.1:${addresses.admin.port}`,
  };
}

export type TestServer = {
  readonly id: string;
  readonly port: number;
  /** Requests to `/hold` that wait, oldest first. */
  readonly held: ServerResponse[];
  /** Requests other than `/ping`. */
  readonly requests: () => number;
  /** What `/ping` answers. */
  health: number;
};

/** Answers its id at once; `/hold` only when the test says so. */
export async function startServer(t: Scope): Promise<TestServer> {
  const held: ServerResponse[] = [];
  let requests = 0;
  const server = createServer((incoming: IncomingMessage, response) => {
    if (incoming.url === '/ping') {
      response.writeHead(found.health).end();
      return;
    }
    requests += 1;
    if (/^\/hold(?:\?|$)/.test(incoming.url ?? '')) held.push(response);
    else response.end(found.id);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  const found = { id: `127.0.0.1:${port}`, port, held, requests: () => requests, health: 200 };
  return found;
}

/** Asks again until it is true; fails after half a minute, which is long on any machine. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 30_000;
  while (!(await isTrue())) {
    if (Date.now() > deadlineMs) throw new Error(`not in half a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function put(daemon: Daemon, key: string, value: string): Promise<void> {
  const url = `http://127.0.0.1:${daemon.addresses.registry?.port}/v1/kv/upstreams/app/${key}`;
  const response = await fetch(url, { method: 'PUT', body: value });
  if ((await response.text()) !== 'true') throw new Error(`PUT ${key}: ${response.status}`);
}

export async function status(control: string): Promise<StatusDocument> {
  // The type is what the API promises; that it holds is what the tests are about.
  return (await (await fetch(`${control}/api/status`)).json()) as StatusDocument;
}

export async function eligibleServers(control: string): Promise<string[]> {
  const servers = (await status(control)).upstreams[0]?.servers ?? [];
  return servers.filter(({ eligibility }) => eligibility === 'ok').map(({ id }) => id);
}

export async function setAdmin(
  control: string,
  server: string,
  body: Record<string, unknown>,
): Promise<Response> {
  return fetch(`${control}/api/upstreams/app/servers/${server}/admin`, {
    method: 'POST',
    body: JSON.stringify({ owner: 'user:test', ...body }),
  });
}

export async function awaitIdle(
  control: string,
  server: string,
  wait: string,
): Promise<DrainDocument> {
  const url = `${control}/api/upstreams/app/servers/${server}/idle?wait=${wait}`;
  return (await (await fetch(url)).json()) as DrainDocument;
}

/** One request on a connection of its own (or the agent's). Rejects when the connection breaks. */
export function get(
  url: string,
  agent: Agent | false = false,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
