// A real nginx to compare decisions with: one process for one test, ended with it. What the benches run
// is made from the same configuration.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, get, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../base/ports.ts';
import { needPeer } from './programs.ts';

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 10;

/** A whole configuration. What nginx writes is in the folder, under the name. */
export function nginxConfig(options: {
  readonly folder: string;
  readonly name: string;
  /** What stands at the top of it. */
  readonly main: string;
  readonly connections: number;
  /** What stands in the http block. */
  readonly http: string;
}): string {
  const { folder, name, main, connections, http } = options;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${join(folder, `${name}-${kind}`)};`,
  );
  return `daemon off; worker_processes 1; pid ${join(folder, `${name}.pid`)}; ${main}
events { worker_connections ${connections}; }
http {
${temporary.join(' ')}
${http}
}
`;
}

/** The folder in which nginx runs once it is ready. Undefined: skipped. */
export async function startNginx(
  t: TestContext,
  options: {
    /** What stands in the http block of an nginx in this folder. */
    http(folder: string): string | Promise<string>;
    isReady(folder: string): Promise<boolean>;
  },
): Promise<string | undefined> {
  const program = needPeer(t, 'nginx');
  if (program === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-nginx-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const errors = join(folder, 'error.log');
  const config = nginxConfig({
    folder,
    name: 'nginx',
    main: `master_process off; error_log ${errors} crit;`,
    connections: 512,
    http: `access_log off; keepalive_requests 100000; ${await options.http(folder)}`,
  });
  await writeFile(join(folder, 'nginx.conf'), config);
  const child = spawn(program, ['-p', folder, '-c', 'nginx.conf', '-e', errors], {
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const lastMs = performance.now() + START_TIMEOUT_MS;
  while (!(await options.isReady(folder))) {
    if (child.exitCode !== null || performance.now() > lastMs)
      assert.fail(`nginx did not start: ${await readFile(errors, 'utf8')}`);
    await delay(POLL_MS);
  }
  return folder;
}

export type NginxAnswers = {
  /** The bytes of one request that ends the connection; status 0: closed without an answer. */
  ask(request: string): Promise<{ readonly status: number; readonly body: string }>;
};

/**
 * An nginx that answers from its configuration alone: what it makes of a path, of a list of addresses.
 * `server`: what stands in the server block. Undefined: skipped.
 */
export async function startNginxAnswers(
  t: TestContext,
  server: string,
): Promise<NginxAnswers | undefined> {
  const [port = 0] = await freePorts(1);
  const folder = await startNginx(t, {
    http: () => `default_type text/plain; server { listen 127.0.0.1:${port}; ${server} }`,
    isReady: async () => (await ask(port, 'GET / HTTP/1.0\r\n\r\n')).status !== 0,
  });
  return folder === undefined ? undefined : { ask: (request) => ask(port, request) };
}

/** Where an nginx that balances listens, in its folder. */
export const FRONT_SOCKET = 'front.sock';

type Front = (
  path: string,
  headers?: Readonly<Record<string, string>>,
) => Promise<IncomingHttpHeaders>;

/**
 * An nginx whose http block balances and listens on FRONT_SOCKET; `ask` sends it one request over kept
 * connections and gives back the fields of the answer. Undefined: skipped.
 */
export async function startNginxFront(
  t: TestContext,
  http: (folder: string) => string | Promise<string>,
): Promise<{ readonly folder: string; readonly ask: Front } | undefined> {
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const askIn =
    (folder: string): Front =>
    (path, headers = {}) =>
      new Promise((resolve, reject) => {
        get({ socketPath: join(folder, FRONT_SOCKET), agent, path, headers }, (answer) => {
          answer.resume();
          answer.on('end', () => resolve(answer.headers));
        }).on('error', reject);
      });
  const isReady = (folder: string): Promise<boolean> =>
    askIn(folder)('/ready').then(
      () => true,
      () => false,
    );
  const folder = await startNginx(t, { http, isReady });
  return folder === undefined ? undefined : { folder, ask: askIn(folder) };
}

async function ask(port: number, request: string): Promise<{ status: number; body: string }> {
  const socket = connect({ host: '127.0.0.1', port });
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  // A refused connection answers nothing.
  socket.on('error', () => {});
  socket.end(request, 'latin1');
  await new Promise((resolve) => socket.once('close', resolve));
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0),
    body: text.slice(text.indexOf('\r\n\r\n') + 4),
  };
}
