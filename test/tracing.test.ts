// Traces of a whole serve: its workers send their spans by themselves, also those that wait when it ends.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  daemonConfig,
  get,
  runDaemonProcess,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { startCollector } from './support/tracing/collector.ts';

test('every request of a serve is two spans at the collector, none is lost at the end', async (t) => {
  const collector = await startCollector(t);
  const server = await startServer(t);
  const { origin } = new URL(collector.endpoint);
  const tracing = `tracing: { endpoint: "${origin}", sample: 100% }\nworkers: 2\n`;
  const upstream = `upstreams: { app: { servers: ["${server.id}"] } }`;
  const daemon = await runDaemonProcess(t, daemonConfig(`${tracing}${upstream}`, temporaryDir(t)));
  let requests = 0;
  await until('it serves', async () => {
    requests += 1;
    return (await get(daemon.gateway)).status === 200;
  });
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const headers = { traceparent: `00-${trace}-b7ad6b7169203331-01` };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => fetch(daemon.gateway, { headers })),
  );
  for (const answer of answers) assert.equal(await answer.text(), server.id);
  const exited = once(daemon.process, 'exit');
  daemon.process.kill('SIGTERM');
  await exited;
  const ours = collector.spans.filter(({ traceId }) => traceId === trace);
  assert.deepEqual([ours.filter(({ kind }) => kind === 2).length, ours.length], [20, 40]);
  assert.equal(collector.spans.filter(({ kind }) => kind === 2).length, requests + 20);
  assert.deepEqual([...new Set(collector.paths)], ['/v1/traces']);
  assert.equal(collector.resources[0]?.['service.name'], 'sluice');
});
