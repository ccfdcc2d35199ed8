// Primaries that are killed at any moment of their start, one after the other, while clients come: each next one takes
// over from whatever is left, and nobody is refused.

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from './support/base/random.ts';
import {
  awaitIdle,
  daemonConfig,
  get,
  runDaemonProcess,
  setAdmin,
  startServer,
  status,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

const ROUNDS = 8;
/** A start takes about half of it; on a busy machine all of it. */
const LONGEST_LIFE_MS = 1500;
const SEED = Number(process.env['SLUICE_SEED'] ?? 7);

test('primaries that are killed while they start lose nothing and leave nothing', async (t) => {
  const random = seededRandom(SEED);
  const app = await startServer(t);
  const folder = temporaryDir(t);
  const servers = `upstreams: { app: { servers: ["${app.id}"], registry: off } }`;
  const first = await runDaemonProcess(t, daemonConfig(`workers: 2\n${servers}`, folder));
  const { gateway } = first;
  const address = `listen: "${new URL(gateway).host}"`;
  const config = daemonConfig(`workers: 2\n${address}\n${servers}`, folder);
  const held = get(`${gateway}/hold`);
  await until('the server has it', () => app.held.length === 1);
  let isOver = false;
  let answered = 0;
  const clients = Array.from({ length: 4 }, async () => {
    for (; !isOver; answered += 1) assert.equal((await get(gateway)).status, 200);
  });
  let last = first.process;
  const file = new URL('./support/daemon/process.ts', import.meta.url);
  for (let round = 0; round < ROUNDS; round += 1) {
    const ended = once(last, 'exit');
    last.kill('SIGKILL');
    await ended;
    last = fork(file, [JSON.stringify(config)], { execArgv: [] });
    await sleep(random() * LONGEST_LIFE_MS);
  }
  const ended = once(last, 'exit');
  last.kill('SIGKILL');
  await ended;
  const daemon = await runDaemonProcess(t, config);
  assert.equal(daemon.gateway, gateway);
  isOver = true;
  await Promise.all(clients);
  // What the first primary's worker has is waited for, eight lives later.
  await setAdmin(daemon.control, app.id, { state: 'drain', reason: 'look' });
  assert.equal((await awaitIdle(daemon.control, app.id, '50ms')).inFlight, 1, `seed ${SEED}`);
  await setAdmin(daemon.control, app.id, { state: 'ready' });
  app.held[0]?.end('late');
  assert.deepEqual(await held, { status: 200, body: 'late' });
  await until('its own workers alone are there', async () => {
    const pids = (await status(daemon.control)).workers.map(({ pid }) => `${pid}`);
    const places = readdirSync(join(folder, 'state/workers')).map((name) => name.split('.')[0]);
    return (
      pids.length === 2 && new Set(places).size === 2 && places.every((p) => pids.includes(p ?? ''))
    );
  });
  assert(answered > 20);
});
