// `sluice registry snapshot save|restore` and `repair` as real processes, on a registry that runs and on
// one that is stopped.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../src/base/log.ts';
import { openStore } from '../src/registry.ts';
import { sluice, temporaryFolder } from './support/cli/process.ts';
import { startConsul } from './support/peers/programs.ts';
import { openClient, startEmbedded } from './support/registry/builders.ts';

const value = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

test('a running registry is saved and restored through its API', async (t) => {
  const { store, address } = await startEmbedded(t);
  const registry = ['--registry', `${address.host}:${address.port}`];
  const file = join(temporaryFolder(t), 'registry.snap');
  await store.put('a', Buffer.from('1'));
  const saved = await sluice(['registry', 'snapshot', 'save', file, ...registry]);
  assert.equal(saved.stdout, `${file}: saved at index 2\n`, saved.stderr);
  assert(!existsSync(`${file}.unfinished`));
  await store.put('a', Buffer.from('2'));
  const restored = await sluice(['registry', 'snapshot', 'restore', file, ...registry]);
  assert.equal(restored.stdout, `${file}: restored\n`, restored.stderr);
  assert.equal(value(store.read('a')?.value), '1');

  writeFileSync(file, 'nonsense');
  const refused = await sluice(['registry', 'snapshot', 'restore', file, ...registry]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /no snapshot/);
  assert.equal(value(store.read('a')?.value), '1');
});

test('a stopped registry is saved, restored over damage, and repaired', async (t) => {
  const folder = temporaryFolder(t);
  const dataDir = join(folder, 'registry');
  const file = join(folder, 'registry.snap');
  const data = ['--data-dir', dataDir];
  const store = openStore({ dataDir, log: silentLog });
  await store.put('a', Buffer.from('remarkable'));
  await store.put('b', Buffer.from('2'));
  store.close();
  const saved = await sluice(['registry', 'snapshot', 'save', file, ...data]);
  assert.match(saved.stdout, /saved at index 3 \(the registry is stopped\)/, saved.stderr);
  const good = await sluice(['registry', 'repair', ...data]);
  assert.match(good.stdout, /nothing is damaged \(2 records\)/);

  const path = join(dataDir, 'registry.db');
  const bytes = readFileSync(path);
  bytes.write('s', bytes.indexOf('remarkable') + 4);
  writeFileSync(path, bytes);
  const start = await sluice(['registry', '--listen', '127.0.0.1:0', ...data]);
  assert.equal(start.code, 2);
  assert.match(
    start.stderr,
    /a record is damaged .*"a"; restore a snapshot .*sluice registry repair/,
  );
  const repaired = await sluice(['registry', 'repair', ...data]);
  assert.match(repaired.stdout, /1 records kept; .*\ndamaged and lost: "a"\n/, repaired.stderr);

  rmSync(path);
  const restored = await sluice(['registry', 'snapshot', 'restore', file, ...data]);
  assert.match(restored.stdout, /restored into .*\nthe damaged files are in /, restored.stderr);
  const again = openStore({ dataDir, log: silentLog });
  t.after(() => again.close());
  assert.deepEqual(
    again.list('').entries.map((entry) => [entry.key, value(entry.value)]),
    [
      ['a', 'remarkable'],
      ['b', '2'],
    ],
  );
});

test('a real Consul is saved and restored by the same verbs', async (t) => {
  const consul = await startConsul(t);
  if (consul === undefined) return;
  const [address] = consul.addresses;
  assert(address !== undefined);
  const client = openClient(t, [address]);
  const registry = ['--registry', `${address.host}:${address.port}`];
  const file = join(temporaryFolder(t), 'consul.snap');
  await client.put('a', '1');
  assert.equal((await sluice(['registry', 'snapshot', 'save', file, ...registry])).code, 0);
  await client.put('a', '2');
  assert.equal((await sluice(['registry', 'snapshot', 'restore', file, ...registry])).code, 0);
  assert.equal(value((await client.get('a'))?.value), '1');
});
