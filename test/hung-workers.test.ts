// A worker that gives no sign of life is replaced: one that loops at once, one that is stopped so that it can go on.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { childrenOf, isRunning, isStopped } from './support/base/process-facts.ts';
import { serve, temporaryFolder } from './support/cli/process.ts';
import { awaitIdle, get, setAdmin, startServer, until } from './support/daemon/builders.ts';

/** SIGURG, which nobody else uses, makes a worker loop for ever. */
const LOOP = `if (process.send !== undefined) process.on('SIGURG', () => { for (;;); });`;

async function start(t: TestContext, { canLoop = false } = {}) {
  const server = await startServer(t);
  const code = join(temporaryFolder(t), 'loop.mjs');
  writeFileSync(code, LOOP);
  const yaml = `workers: 2\nlog_level: info\nupstreams: { app: { servers: ["${server.id}"] } }\n`;
  const env = canLoop ? { NODE_OPTIONS: `--import=${code}` } : {};
  const daemon = await serve(t, yaml, { env });
  const workers = (): number[] => childrenOf(daemon.child.pid ?? 0);
  return { server, daemon, workers };
}

test('a worker that loops is ended and replaced, and a drain goes on', async (t) => {
  const { server, daemon, workers } = await start(t, { canLoop: true });
  const [loops = 0, other = 0] = workers();
  process.kill(loops, 'SIGURG');
  await setAdmin(daemon.control, server.id, { state: 'drain', reason: 'look' });
  assert.equal((await awaitIdle(daemon.control, server.id, '25s')).idle, true);
  await until('another is there', () => workers().length === 2);
  assert(!isRunning(loops) && workers().includes(other));
  assert.match(daemon.stderr(), /"worker hangs: it is ended"/);
  assert.match(daemon.stderr(), /"worker ended, replacing it"/);
  const metrics = await (await fetch(`${daemon.control}/metrics`)).text();
  assert.match(metrics, /^sluice_worker_crashes_total 1$/m);
});

test('another takes the place of a worker that is stopped, which finishes when it goes on', async (t) => {
  const { server, daemon, workers } = await start(t);
  const [first = 0, second = 0] = workers();
  // Stopped are both, so that nobody accepts until they are replaced.
  const held = get(`${daemon.gateway}/hold`);
  await until('it is in flight', () => server.held.length === 1);
  for (const pid of [first, second]) process.kill(pid, 'SIGSTOP');
  await until('they stand still', () => isStopped(first) && isStopped(second));
  assert.equal((await get(daemon.gateway)).body, server.id, 'those in their place answer');
  assert(isStopped(first) && isStopped(second));
  for (const pid of [first, second]) process.kill(pid, 'SIGCONT');
  server.held[0]?.end('late');
  assert.deepEqual(await held, { status: 200, body: 'late' });
  await until('they are gone', () => !isRunning(first) && !isRunning(second));
  // One that has ended is a child until the primary has heard of it.
  await until('that is heard', () => !workers().some((pid) => [first, second].includes(pid)));
  assert.equal(workers().length, 2);
  assert.equal(daemon.stderr().match(/"worker stands still: another takes its place"/g)?.length, 2);
  const metrics = await (await fetch(`${daemon.control}/metrics`)).text();
  assert.match(metrics, /^sluice_worker_crashes_total 0$/m);
});
