// `sluice kv edit|tree|watch|export|import` and `sluice registry copy` as real processes, on registries of
// every kind that keeps records.

import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { COMMIT_WRITES_MAX } from '../src/registry.ts';
import { sluice, start, temporaryFolder } from './support/cli/process.ts';
import { until } from './support/daemon/builders.ts';
import { startConsul } from './support/peers/programs.ts';
import { openClient, startEmbedded } from './support/registry/builders.ts';
import { startEtcd } from './support/registry/etcd-cluster.ts';

const at = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`;

async function registryOf(t: TestContext) {
  const { address } = await startEmbedded(t);
  return { address, store: openClient(t, [address]) };
}

function editor(folder: string, name: string, script: string): Record<string, string> {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return { EDITOR: file };
}

test('edit writes by compare-and-set, keeps flags, and loses nothing of what was typed', async (t) => {
  const { store, address } = await registryOf(t);
  const folder = temporaryFolder(t);
  const key = 'upstreams/app/127.0.0.1:9001';
  const registry = at(address);
  const edit = (env: Record<string, string>, ...more: readonly string[]) =>
    sluice(['kv', 'edit', key, '--registry', registry, ...more], {
      env: { ...env, TMPDIR: folder },
    });
  await store.put(key, '{"weight":1}', { flags: '7' });
  const heavier = await edit(editor(folder, 'weight', `sed -i s/1/5/ "$1"`));
  assert.equal(heavier.stdout, `${key}: written\n`, heavier.stderr);
  const entry = await store.get(key);
  assert.deepEqual([String(Buffer.from(entry?.value ?? '')), entry?.flags], ['{"weight":5}', '7']);
  assert.equal((await edit(editor(folder, 'same', 'true'))).stdout, `${key}: not changed\n`);

  const broken = await edit(editor(folder, 'broken', `printf '{"weight":' >"$1"`));
  assert.equal(broken.code, 2);
  const kept = /what you wrote is in (\S+)\n/.exec(broken.stderr)?.[1] ?? '';
  assert.match(broken.stderr, /gateways would report: value .* is not JSON/);
  assert.equal(readFileSync(kept, 'utf8'), '{"weight":');

  const env = {
    ...editor(
      folder,
      'late',
      `curl -sf -X PUT -d '{"weight":9}' "http://$AT/v1/kv/${key}" >&2; echo '{"weight":3}' >"$1"`,
    ),
    AT: registry,
  };
  const late = await edit(env);
  assert.equal(late.code, 1);
  assert.match(late.stderr, /somebody else wrote it meanwhile; what you wrote is in/);
  assert.equal(String(Buffer.from((await store.get(key))?.value ?? '')), '{"weight":9}');
  const failed = await edit(editor(folder, 'failed', 'exit 3'));
  assert.match(failed.stderr, /ended with exit code 3; nothing was written/);
});

test('tree shows folders, and watch each change', async (t) => {
  const { store, address } = await registryOf(t);
  for (const key of ['a/b/c', 'a/b/d', 'a/e', 'f']) await store.put(key, key);
  const here = ['--registry', at(address)];
  const tree = await sluice(['kv', 'tree', ...here]);
  assert.equal(
    tree.stdout,
    '/\n├─ a/\n│  ├─ b/\n│  │  ├─ c\n│  │  └─ d\n│  └─ e\n└─ f\n4 records\n',
  );
  const inner = await sluice(['kv', 'tree', 'a/b', ...here]);
  assert.equal(inner.stdout, 'a/\n└─ b/\n   ├─ c\n   └─ d\n2 records\n');

  const watch = start(['kv', 'watch', 'a/', ...here]);
  const said = { out: '', err: '' };
  watch.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  watch.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  t.after(() => watch.kill('SIGTERM'));
  const line = (text: string) => until(text, () => said.out.endsWith(`${text}\n`));
  await until('it watches', () => said.err.includes('watching 3 records under "a/"'));
  await store.put('a/new', 'one');
  await line('+ a/new  one');
  await store.put('f', 'not under it');
  await store.put('a/new', 'two');
  await line('~ a/new  two');
  await store.delete('a/new');
  await line('- a/new');
  assert.equal(said.out, '+ a/new  one\n~ a/new  two\n- a/new\n');
});

test('import writes what export printed, with flags, in steps, and says how far it came', async (t) => {
  const [one, two] = [await registryOf(t), await registryOf(t)];
  const count = 3 * COMMIT_WRITES_MAX + 5;
  const names = Array.from({ length: count }, (_, index) => `k/${String(index).padStart(4, '0')}`);
  for (const key of names) {
    await one.store.put(key, Buffer.from([0, 255, key.length]), { flags: '18446744073709551615' });
  }
  await one.store.put('upstreams/app/127.0.0.1:9001', '{"weight":2}', { flags: '3' });
  const exported = await sluice(['kv', 'export', '--registry', at(one.address)]);
  assert.deepEqual(JSON.parse(exported.stdout).at(-1), {
    ...{ key: 'upstreams/app/127.0.0.1:9001', flags: 3 },
    value: Buffer.from('{"weight":2}').toString('base64'),
  });
  const input = exported.stdout;
  const run = (...more: readonly string[]) =>
    sluice(['kv', 'import', '-', '--registry', at(two.address), ...more], { input });
  const dry = await run('--dry-run');
  assert.match(
    dry.stdout,
    /^\+ k\/0000\n[\s\S]*\n198 records would be written, 0 are there already\n$/,
  );
  assert.deepEqual((await two.store.list('')).entries, []);

  const ok = await run();
  assert.equal(ok.stdout, '198 records written, 0 are there already\n', ok.stderr);
  const { entries } = await two.store.list('');
  const strip = (list: typeof entries) =>
    list.map(({ key, value, flags }) => ({ key, value, flags }));
  assert.deepEqual(strip(entries), strip((await one.store.list('')).entries));
  assert.equal((await run()).stdout, '0 records written, 198 are there already\n');

  const bad = JSON.stringify([{ key: 'upstreams/app/x', flags: 0, value: 'eA==' }]);
  const refused = await sluice(['kv', 'import', '-', '--registry', at(two.address)], {
    input: bad,
  });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /nothing was written; gateways would report/);
  const wrong = await sluice(['kv', 'import', '-', '--registry', at(two.address)], { input: '{}' });
  assert.match(wrong.stderr, /not a list of records/);
});

test('copy goes between embedded, Consul and etcd, and compares at the end', async (t) => {
  const consul = await startConsul(t);
  const etcd = await startEtcd(t);
  if (consul === undefined || etcd === undefined) return;
  const embedded = await registryOf(t);
  const other = await registryOf(t);
  const [agent] = consul.addresses;
  assert(agent !== undefined);
  const consulAt = at(agent);
  const etcdAt = `etcd://${etcd.addresses.map(at).join(',')}`;
  for (let index = 0; index < 100; index += 1) {
    await embedded.store.put(`upstreams/app/10.0.0.1:${1000 + index}`, '{"weight":1}');
  }
  await embedded.store.put('other', 'not under the prefix');
  await embedded.store.put('upstreams/flagged', 'x', { flags: '9' });
  const copy = (from: string, to: string, ...more: readonly string[]) =>
    sluice(['registry', 'copy', from, to, ...more]);
  const first = await copy(at(embedded.address), consulAt);
  assert.equal(first.stdout, '101 records written, 0 were there already\n', first.stderr);
  const client = openClient(t, consul.addresses);
  await client.put('upstreams/extra', 'x');
  const again = await copy(at(embedded.address), consulAt);
  assert.equal(
    again.stdout,
    '0 records written, 101 were there already; 1 more are there that the first has not\n',
  );
  const flagged = await copy(consulAt, etcdAt);
  assert.notEqual(flagged.code, 0);
  assert.match(
    flagged.stderr,
    /etcd keeps no flags .*; \d+ of 102 records written, not those from/,
  );
  const plain = await copy(consulAt, etcdAt, '--no-flags');
  assert.equal(plain.code, 0, plain.stderr);
  const back = await copy(etcdAt, at(other.address));
  assert.equal(back.stdout, '102 records written, 0 were there already\n', back.stderr);
  const { entries } = await other.store.list('');
  assert.equal(entries.length, 102);
  const nothing = await copy(at(other.address), consulAt, '--prefix', 'nowhere/');
  assert.match(nothing.stderr, /there are no records under "nowhere\/"/);
});
