// Under systemd: it is told what we do, and we listen by the sockets that it has opened.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { COMMAND, type Serving, serve, temporaryFolder } from './support/cli/process.ts';
import { get, startServer, until } from './support/daemon/builders.ts';

const PLAIN = 'upstreams: { app: { servers: ["127.0.0.1:1"] } }\n';

/** A systemd-notify that writes what it is told into a file, a line each. */
function listener(t: TestContext) {
  const folder = temporaryFolder(t);
  const file = join(folder, 'told');
  mkdirSync(join(folder, 'bin'));
  const program = join(folder, 'bin/systemd-notify');
  writeFileSync(
    program,
    `#!/bin/sh\nprintf '%s|' "$NOTIFY_SOCKET" "$@" >> ${file}\necho >> ${file}\n`,
  );
  chmodSync(program, 0o755);
  const env = { NOTIFY_SOCKET: '/run/notify', PATH: `${folder}/bin:${process.env['PATH']}` };
  const told = (): string[] =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((line) => line.replace(/^\/run\/notify\|/, ''))
      : [];
  return { env, told };
}

async function end(daemon: Serving): Promise<void> {
  daemon.child.kill('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
}

test('it hears that we serve, read the configuration again, did not take it, and end', async (t) => {
  const { env, told } = listener(t);
  const daemon = await serve(t, PLAIN, { env });
  const ready = `READY=1|MAINPID=${daemon.child.pid}|STATUS=serving`;
  await until('it is ready', () => told().length === 1);
  daemon.child.kill('SIGHUP');
  await until('it is ready again', () => told().length === 3);
  writeFileSync(join(daemon.folder, 'sluice.yaml'), 'upstreams:\n  a b: {}\n');
  daemon.child.kill('SIGHUP');
  await until('it is ready as before', () => told().length === 5);
  await end(daemon);
  await until('it is told', () => told().length === 6);
  const [first, reloading, again, , failed = '', stopping] = told();
  assert.deepEqual([first, again], [`${ready}|`, `${ready}|`]);
  assert.match(reloading ?? '', /^RELOADING=1\|MONOTONIC_USEC=\d+\|STATUS=[^|]+\|$/);
  assert(failed.startsWith(`${ready}; configuration not taken: /`), failed);
  assert.match(failed, /"a b"|a b/);
  assert.match(stopping ?? '', /^STOPPING=1\|/);
});

test('it hears of us as often as it wants, and our workers do not speak for us', async (t) => {
  const { env, told } = listener(t);
  const watched = { ...env, WATCHDOG_USEC: '900000', WATCHDOG_PID: '' };
  const daemon = await serve(t, PLAIN, { env: watched });
  await until(
    'there are signs of life',
    () => told().filter((l) => l === 'WATCHDOG=1|').length > 3,
  );
  const worker = readFileSync(
    `/proc/${daemon.child.pid}/task/${daemon.child.pid}/children`,
    'utf8',
  );
  const environment = readFileSync(`/proc/${worker.trim().split(' ')[0]}/environ`, 'latin1');
  assert.doesNotMatch(environment, /NOTIFY_SOCKET|WATCHDOG_/);
  await end(daemon);
});

test('without the program that tells it there is one line, and we serve', async (t) => {
  const env = { NOTIFY_SOCKET: '/nowhere', PATH: '/nonexistent' };
  const daemon = await serve(t, PLAIN, { env });
  await until('it is said', () => daemon.stderr().includes('cannot be told'));
  daemon.child.kill('SIGHUP');
  await until('it is read again', () => daemon.stderr().includes('nothing has changed'));
  await end(daemon);
  assert.equal(daemon.stderr().match(/cannot be told/g)?.length, 1);
});

const RECEIVER = `
import os, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print('ready', flush=True)
while True:
    data, ancillary, _, _ = socket.recv_fds(receiver, 4096, 4)
    for descriptor in ancillary: os.close(descriptor)
    print(data.decode().replace(chr(10), '|'), flush=True)
`;

function canRun(...[program, ...args]: [string, ...string[]]): boolean {
  return spawnSync(program, args).status === 0;
}

test('the real systemd-notify brings it over', async (t) => {
  if (
    !canRun('systemd-notify', '--version') ||
    !canRun('python3', '-c', 'import socket; socket.recv_fds')
  ) {
    return t.skip('needs systemd-notify and python3');
  }
  const socket = join(temporaryFolder(t), 'notify');
  const receiver = spawn('python3', ['-c', RECEIVER, socket]);
  t.after(() => receiver.kill('SIGKILL'));
  let heard = '';
  receiver.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
  });
  await until('it listens', () => heard.startsWith('ready'));
  const daemon = await serve(t, PLAIN, { env: { NOTIFY_SOCKET: socket } });
  const ready = `READY=1|MAINPID=${daemon.child.pid}|STATUS=serving`;
  await until('it is ready', () => heard.includes(ready));
  await end(daemon);
  await until('it ends', () => heard.includes('STOPPING=1|'));
});

/** A bound socket at descriptor 3, as a service manager leaves it; this process keeps its end and accepts nobody. */
async function startGiven(t: TestContext, descriptor: number, yaml: string, folder: string) {
  const file = join(folder, 'sluice.yaml');
  const free = '127.0.0.1:0';
  const rest = `admin: { listen: "${free}" }\nregistry: { embedded: { listen: "${free}" } }\n`;
  writeFileSync(file, `log_level: info\nworkers: 2\n${rest}${yaml}`);
  const command = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"';
  const child = spawn('sh', ['-c', command, process.execPath, COMMAND, 'serve', '-c', file], {
    stdio: ['ignore', 'ignore', 'pipe', descriptor],
  });
  const ended = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  t.after(stop);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await until('it serves', () => said.includes('sluice is ready') || child.exitCode !== null);
  return { said: () => said, stop };
}

type Bound = { readonly fd: number; getsockname(out: { port?: number }): number; close(): void };

function bound(t: TestContext): { readonly fd: number; readonly port: number } {
  // As in src/workers/bind.ts.
  const create = Reflect.get(net, '_createServerHandle') as (...args: unknown[]) => Bound;
  const handle = create('127.0.0.1', 0, 4);
  t.after(() => handle.close());
  const out: { port?: number } = {};
  handle.getsockname(out);
  return { fd: handle.fd, port: out.port ?? 0 };
}

test('a socket that was given is used, and clients wait in it from one start to the next', async (t) => {
  const server = await startServer(t);
  const { fd, port } = bound(t);
  const folder = temporaryFolder(t);
  const yaml = `listen: "127.0.0.1:${port}"\nupstreams: { app: { servers: ["${server.id}"] } }\n`;
  const url = `http://127.0.0.1:${port}`;
  const first = await startGiven(t, fd, yaml, folder);
  assert.match(first.said(), /"listening by the socket of the service manager"/);
  assert.equal((await get(url)).body, server.id);
  await first.stop();
  const waiting = [get(url), get(url)];
  const next = await startGiven(t, fd, yaml, folder);
  for (const answer of await Promise.all(waiting)) assert.equal(answer.body, server.id);
  await next.stop();
});

test('a socket that no listener has the address of is named', async (t) => {
  const { fd, port } = bound(t);
  const yaml = `listen: "127.0.0.1:0"\n${PLAIN}`;
  const given = await startGiven(t, fd, yaml, temporaryFolder(t));
  assert.match(given.said(), /no listener has the address of a socket that was given to us/);
  assert(given.said().includes(`"127.0.0.1:${port}"`));
  await given.stop();
});
