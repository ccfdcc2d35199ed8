// A real nginx that answers from its configuration alone, to compare decisions with: what it makes
// of a path, of a list of addresses. One process on one loopback port, ended after the test.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePorts, needPeer } from './programs.ts';

const START_TIMEOUT_MS = 20_000;

export type NginxAnswers = {
  /** The bytes of one request that ends the connection; status 0: closed without an answer. */
  ask(request: string): Promise<{ readonly status: number; readonly body: string }>;
};

/** `server`: what stands in the server block, locations for one. Undefined: skipped. */
export async function startNginxAnswers(
  t: TestContext,
  server: string,
): Promise<NginxAnswers | undefined> {
  const program = needPeer(t, 'nginx');
  if (program === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-nginx-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [port = 0] = await freePorts(1);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const config = `
    daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid;
    error_log ${folder}/error.log crit;
    events { worker_connections 512; }
    http {
      access_log off; default_type text/plain; ${temporary.join(' ')}
      server { listen 127.0.0.1:${port}; ${server} }
    }`;
  await writeFile(join(folder, 'nginx.conf'), config);
  const child = spawn(program, ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], {
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const lastMs = performance.now() + START_TIMEOUT_MS;
  while ((await ask(port, 'GET / HTTP/1.0\r\n\r\n')).status === 0) {
    if (child.exitCode === null && performance.now() < lastMs) continue;
    assert.fail(`nginx did not start: ${await readFile(join(folder, 'error.log'), 'utf8')}`);
  }
  return { ask: (request) => ask(port, request) };
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
