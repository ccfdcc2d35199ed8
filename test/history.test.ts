// The last minutes of a real serve: what clients asked for is in the columns, and a drain is a mark.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestOf } from '../src/admin/contract.ts';
import type { HistoryDocument } from '../src/admin.ts';
import {
  daemonConfig,
  get,
  PLAIN,
  put,
  runDaemon,
  setAdmin,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

function total(values: readonly number[] = []): number {
  return values.reduce((sum, value) => sum + value, 0);
}

test('requests, in flight, times, version and drain of a pool are in its history', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const [first, second] = [await startServer(t), await startServer(t)];
  await put(daemon, first.id, '');
  await put(daemon, second.id, '');
  // As a runner writes it down.
  const registry = `http://127.0.0.1:${daemon.addresses.registry?.port}/v1/kv`;
  const record = { process: { launch: { version: 'v7' } }, secret: 'no' };
  const key = `${registry}/sluice/releases/instances/app/${first.id}`;
  await fetch(key, { method: 'PUT', body: JSON.stringify(record) });
  await until('traffic', async () => (await get(daemon.gateway)).status === 200);
  for (let times = 1; times < 20; times += 1) await get(daemon.gateway);
  const held = get(`${daemon.gateway}/hold`);
  const history = async (server = ''): Promise<HistoryDocument> => {
    const { path } = requestOf('history', { upstream: 'app', server, span: '5m', gateway: '' });
    const response = await fetch(`${daemon.control}${path}`);
    assert.equal(response.status, 200);
    // That it fits its shape is tried beside the contract.
    return (await response.json()) as HistoryDocument;
  };
  await until('the seconds with the traffic are over', async () => {
    const { series } = await history();
    return total(series[0]?.requests) >= 21 && series[0]?.inFlight.at(-1) === 1;
  });
  const whole = await history();
  assert.deepEqual(
    whole.series.map(({ kind, name }) => `${kind} ${name}`),
    ['upstream ', 'version v7'],
  );
  assert.equal(whole.slots, whole.series[0]?.requests.length);
  assert(whole.startMs + 300_000 <= Date.now() && whole.startMs + 304_000 > Date.now());
  const times = whole.series[0]?.p99Ms.filter((ms) => ms !== null) ?? [];
  assert(times.length > 0 && times.every((ms) => ms > 0));
  const all = await history('*');
  assert.equal(
    all.series.reduce((sum, { requests }) => sum + total(requests), 0),
    total(whole.series[0]?.requests),
    'its servers had them all',
  );
  assert.equal((await setAdmin(daemon.control, first.id, { state: 'drain' })).status, 200);
  const { marks, series } = await history(first.id);
  assert.deepEqual(
    series.map(({ name }) => name),
    [first.id],
  );
  const { what, from, to, owner, server } = marks.at(-1) ?? {};
  assert.deepEqual([what, from, to, owner], ['eligibility', 'ok', 'drain', 'user:test']);
  assert.equal(server, first.id);
  for (const { held: responses } of [first, second]) for (const one of responses) one.end('late');
  await held;
  const wrong = async (query: string): Promise<number> =>
    (await fetch(`${daemon.control}/api/history${query}`)).status;
  assert.deepEqual(
    [await wrong(''), await wrong('?upstream=x'), await wrong('?upstream=app&span=1d')],
    [400, 404, 400],
  );
});
