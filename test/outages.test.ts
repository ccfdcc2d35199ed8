// What the whole program says when nobody can be served, and when it can serve at all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../src/admin.ts';
import { freePort } from './support/base/ports.ts';
import { recordingLog } from './support/base/recording-log.ts';
import {
  daemonConfig,
  get,
  runDaemon,
  setAdmin,
  startServer,
  status,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

test('servers without checks where nobody listens are not called ok, and the outage is an error', async (t) => {
  const { log, lines } = recordingLog();
  const ports = [await freePort(), await freePort()];
  const servers = ports.map((port) => `{ address: "127.0.0.1:${port}", fail_timeout: 60s }`);
  const yaml = `workers: 1\nupstreams: { app: { servers: [${servers.join(', ')}] } }`;
  const daemon = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)), { log });
  const seen = (document: StatusDocument) => document.upstreams[0]?.servers ?? [];
  assert.deepEqual(
    seen(await status(daemon.control)).map(({ checks, lastFailure }) => [checks, lastFailure]),
    ports.map(() => ['off', '']),
  );
  const said = (message: string) => lines.filter((line) => line.message === message);
  const out = 'upstream has only failing servers left, requests are tried on them';
  // Each request is tried on both, also when both are ejected.
  await until('both are ejected', async () => {
    assert.equal((await get(daemon.gateway)).status, 502);
    return seen(await status(daemon.control)).every(({ eligibility }) => eligibility === 'ejected');
  });
  // No further request: the worker's next report is enough.
  await until('the outage is logged', async () => said(out).length > 0);
  assert.deepEqual(
    said(out).map(({ level, fields }) => [level, fields]),
    [['error', { upstream: 'app', servers: { ejected: 2 } }]],
  );
  for (const [index, server] of seen(await status(daemon.control)).entries()) {
    assert.equal(server.eligibility, 'ejected');
    assert.equal(server.lastFailure, `server 127.0.0.1:${ports[index]} refused the connection`);
    assert.ok(server.failedInARow >= server.maxFails && server.lastFailureMs > 0);
    assert.ok(server.ejectedUntilMs > Date.now());
  }
  const metrics = await (await fetch(`${daemon.control}/metrics`)).text();
  assert.match(metrics, /^sluice_upstream_refused_total\{upstream="app"\} 0$/m);
  assert.match(metrics, /^sluice_upstream_checks\{upstream="app",checks="off"\} 2$/m);

  // Only one is left by intent: it has nobody to fail over to, so it is not ejected any more.
  await setAdmin(daemon.control, `127.0.0.1:${ports[1]}`, { state: 'drain', owner: 'user:alice' });
  const again = 'upstream has other servers than failing ones again';
  await until('the end is logged', async () => said(again).length > 0);
  const [end] = said(again);
  assert.equal(end?.level, 'info');
  assert.equal(said(out).length, 1);
});

test('ready is said when the gateway accepts and not before, and no longer while it shuts down', async (t) => {
  const server = await startServer(t);
  const [control, gateway] = [await freePort(), await freePort()];
  const yaml = `workers: 2\nupstreams: { app: { servers: ["${server.id}"] } }`;
  const config = daemonConfig(yaml, temporaryDir(t));
  const starting = runDaemon(t, {
    ...config,
    admin: { ...config.admin, listen: { host: '127.0.0.1', port: control } },
    gateway: { ...config.gateway, listen: [{ id: 'test', host: '127.0.0.1', port: gateway }] },
  });
  const ask = async (path: string): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${control}${path}`);
    return `${response.status} ${await response.text()}`;
  };
  const before: string[] = [];
  await until('it is ready', async () => {
    const answer = await ask('/readyz').catch(() => '');
    if (answer !== '200 {"status":"ready"}') before.push(answer);
    return answer.startsWith('200 ');
  });
  assert.equal((await get(`http://127.0.0.1:${gateway}`)).status, 200);
  for (const answer of before) {
    assert.match(
      answer,
      /^$|^503 {"status":"not ready","reason":"[01] of 2 workers accept clients"}$/,
    );
  }
  const daemon = await starting;
  const held = get(`${daemon.gateway}/hold`);
  await until('it is at the server', () => server.held.length === 1);
  const closed = daemon.close();
  assert.equal(await ask('/readyz'), '503 {"status":"not ready","reason":"shutting down"}');
  assert.equal(await ask('/healthz'), '200 {"status":"ok"}');
  assert.match(await ask('/api/status'), /^502 .*"code":"unreachable"/);
  server.held[0]?.end('whole');
  assert.equal((await held).body, 'whole');
  await closed;
  await assert.rejects(ask('/readyz'));
});

test('an upstream that only an absent registry could fill keeps the gateway from being ready', async (t) => {
  const port = await freePort();
  const registry = `registry: { consul: { addresses: ["127.0.0.1:${port}"] } }`;
  const config = daemonConfig(`${registry}\nupstreams: { app: {} }`, temporaryDir(t));
  const daemon = await runDaemon(t, config);
  const response = await fetch(`${daemon.control}/readyz`);
  assert.equal(response.status, 503);
  assert.match(
    await response.text(),
    new RegExp(
      `registry 127.0.0.1:${port} has not answered yet, and nothing is known of upstream .*app`,
    ),
  );
  const known = `${registry}\nupstreams: { app: { servers: ["127.0.0.1:1"] } }`;
  const other = await runDaemon(t, daemonConfig(known, temporaryDir(t)));
  assert.equal((await fetch(`${other.control}/readyz`)).status, 200);
});
