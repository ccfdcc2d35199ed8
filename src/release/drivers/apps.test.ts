// Applications as they are met, each released from one version to the next by driver command: wrappers
// that fork, ones that bind late or do not want to end, and other languages where they are there.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  buildService,
  deploy,
  FakeControl,
  firstOf,
  ids,
  outcomes,
  pidOf,
} from '../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../config.ts';
import { localHost } from '../hosts.ts';
import { recordFile } from '../journal/files.ts';
import { instanceProcesses } from './processes.ts';

const DEMO = join(import.meta.dirname, '../../..', 'demo', 'app.ts');
const NODE = process.execPath;

const PYTHON = `import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class App(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('x-app-version', os.environ['VERSION'])
        self.end_headers()
        self.wfile.write(os.environ['VERSION'].encode())
    def log_message(self, *words):
        pass
HTTPServer(('127.0.0.1', int(sys.argv[1])), App).serve_forever()
`;
const JAVA = `import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
public class App {
  public static void main(String[] words) throws Exception {
    String version = System.getenv("VERSION");
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(words[0])), 0);
    server.createContext("/", exchange -> {
      exchange.getResponseHeaders().set("x-app-version", version);
      byte[] body = version.getBytes();
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
      exchange.close();
    });
    server.start();
  }
}
`;

type App = {
  /** Written into the folder before it is started: name → content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly start: (port: number) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stopTimeoutMs?: number;
  /** Skipped where this cannot be run. */
  readonly needs?: readonly [string, ...string[]];
  /** Processes of one instance, at least. */
  readonly processes?: number;
};

const APPS: Readonly<Record<string, App>> = {
  'npm, which forks': {
    files: {
      'package.json': JSON.stringify({ scripts: { start: `"${NODE}" "${DEMO}" -p $PORT` } }),
    },
    start: () => ['npm', 'start', '--silent'],
    env: { PORT: '{port}' },
    needs: ['npm', '--version'],
    processes: 2,
  },
  'a shell that waits for it': {
    start: (port) => ['/bin/sh', '-c', `"${NODE}" "${DEMO}" -p ${port}; exit $?`],
    processes: 2,
  },
  'one that binds late': { start: plain, env: { LATE_MS: '400' } },
  'one that ignores TERM': { start: plain, env: { IGNORE_TERM: 'on' }, stopTimeoutMs: 300 },
  Python: {
    files: { 'app.py': PYTHON },
    start: (port) => ['python3', 'app.py', String(port)],
    needs: ['python3', '--version'],
  },
  Java: {
    files: { 'App.java': JAVA },
    start: (port) => ['java', '-XX:TieredStopAtLevel=1', 'App.java', String(port)],
    needs: ['javac', '-version'],
  },
};

function plain(port: number): readonly string[] {
  return [NODE, DEMO, '-p', String(port)];
}

for (const [name, app] of Object.entries(APPS)) {
  const missing = app.needs === undefined || runs(app.needs) ? false : `no ${app.needs[0]} here`;
  test(`an application is released: ${name}`, { skip: missing }, async (t) => {
    const base = await buildService(t, 1, { versionHeader: 'x-app-version' });
    const { address, id } = firstOf(base);
    for (const [file, text] of Object.entries(app.files ?? {})) {
      await writeFile(join(base.cwd, file), text);
    }
    const service: ServiceConfig = {
      ...base,
      start: app.start(address.port),
      env: { VERSION: '{version}', ...app.env },
      stopTimeoutMs: app.stopTimeoutMs ?? base.stopTimeoutMs,
    };
    const control = new FakeControl(ids(service));
    const first = await deploy(service, control, 'v1');
    assert.deepEqual(outcomes(first), ['v1 in released'], first.result.reason);
    const pid = await pidOf(service, id);
    const mark = recordFile(service, id);
    const old = await instanceProcesses(localHost, mark);
    assert(old.length >= (app.processes ?? 1), `${old.length} processes`);
    const next = await deploy(service, control, 'v2', { allowDowntime: true });
    assert.deepEqual(outcomes(next), ['v2 in released'], next.result.reason);
    assert.notEqual(await pidOf(service, id), pid);
    for (const one of old) assert.equal(await localHost.isAlive(one), false);
  });
}

function runs([program, ...words]: readonly [string, ...string[]]): boolean {
  try {
    execFileSync(program, words, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
