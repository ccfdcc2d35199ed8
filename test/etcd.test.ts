// A gateway whose servers are in etcd, and the verbs that read and write them there, in both APIs: what
// works with a Consul works with etcd.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatAddress } from '../src/base/units.ts';
import { serve, sluice } from './support/cli/process.ts';
import { get, startServer, until } from './support/daemon/builders.ts';
import { addUsers, startEtcd } from './support/registry/etcd-cluster.ts';

const PASSWORD = 'correct-horse';

for (const api of ['v3', 'v2'] as const) {
  test(`etcd ${api}: kv, weight and a record's down reach a gateway`, async (t) => {
    const etcd = await startEtcd(t, { members: 1, argv: ['--enable-v2'] });
    if (etcd === undefined) return;
    const server = await startServer(t);
    const list = etcd.addresses.map(formatAddress);
    // The other is not there: any of them may be asked.
    const registry = `registry: { etcd: { addresses: [${list}, "127.0.0.1:1"], api: ${api}, root: / } }`;
    const daemon = await serve(t, `${registry}\nupstreams: { app: {} }\n`);
    const named = ['--registry', `etcd://${list}?api=${api}&root=/`];
    const inFile = ['-c', join(daemon.folder, 'sluice.yaml')];
    const key = `upstreams/app/${server.id}`;

    assert.equal((await sluice(['kv', 'put', key, '{"weight":2}', ...named])).code, 0);
    await until('it takes requests', async () => (await get(daemon.gateway)).body === server.id);
    assert.equal((await sluice(['kv', 'get', key, ...inFile])).stdout, '{"weight":2}\n');
    assert.match((await sluice(['kv', 'ls', ...named])).stdout, new RegExp(key));

    assert.equal((await sluice(['weight', 'app', server.id, '5', ...daemon.here])).code, 0);
    assert.equal((await sluice(['kv', 'get', key, ...named])).stdout, '{"weight":5}\n');

    assert.equal((await sluice(['kv', 'put', key, '{"down":1}', ...inFile])).code, 0);
    await until('it is down', async () => (await get(daemon.gateway)).status === 503);
    const status = await sluice(['status', ...daemon.here]);
    assert.match(status.stdout, /registry +etcd at .*, reachable/);

    const known = await sluice(['kv', 'get', '--json', key, ...named]);
    const index = String((JSON.parse(known.stdout) as { modifyIndex: number }).modifyIndex);
    const late = await sluice(['kv', 'put', key, '{}', '--cas', '1', ...named]);
    assert.match(late.stderr, /does not have index 1 any more/);
    assert.equal((await sluice(['kv', 'put', key, '{}', '--cas', index, ...named])).code, 0);
    await until('it is back', async () => (await get(daemon.gateway)).body === server.id);
    assert.equal((await sluice(['kv', 'rm', key, ...named])).code, 0);
    await until('the list is held', async () =>
      (await sluice(['status', ...daemon.here])).stdout.includes('vanished and is held'),
    );
    assert.equal((await get(daemon.gateway)).body, server.id);
  });
}

test('all of etcd gone and back: no request is lost, and the next change arrives', async (t) => {
  const etcd = await startEtcd(t, { members: 3 });
  if (etcd === undefined) return;
  const [one, two] = [await startServer(t), await startServer(t)];
  const list = etcd.addresses.map(formatAddress);
  const yaml = `registry: { etcd: { addresses: [${list}] } }\nupstreams: { app: {} }\n`;
  const daemon = await serve(t, yaml);
  const named = ['--registry', `etcd://${list}`];
  const put = async (id: string, value: string): Promise<void> => {
    const ended = await sluice(['kv', 'put', `upstreams/app/${id}`, value, ...named]);
    assert.equal(ended.code, 0, ended.stderr);
  };
  await put(one.id, '{}');
  await until('it takes requests', async () => (await get(daemon.gateway)).body === one.id);

  const answers = new Map<string, number>();
  let isOver = false;
  const load = (async () => {
    while (!isOver) {
      const { status, body } = await get(daemon.gateway);
      const said = `${status} ${body}`;
      answers.set(said, (answers.get(said) ?? 0) + 1);
    }
  })();
  await Promise.all(etcd.members.map((member) => member.kill()));
  const status = async (): Promise<string> => (await sluice(['status', ...daemon.here])).stdout;
  await until('the trouble is told', async () => !/registry +etcd.*reachable/.test(await status()));
  for (const member of etcd.members) member.start();
  await etcd.ready();
  await put(two.id, '{}');
  await until('the new server is there', () => answers.has(`200 ${two.id}`));
  await put(one.id, '{"down":1}');
  await until('the other is down', async () => (await status()).includes('down in the registry'));
  isOver = true;
  await load;
  assert.deepEqual([...answers.keys()].toSorted(), [`200 ${one.id}`, `200 ${two.id}`].toSorted());
});

test('etcd with users: the password comes from a file or the environment, and is never shown', async (t) => {
  const etcd = await startEtcd(t);
  const [address] = etcd?.addresses ?? [];
  if (etcd === undefined || address === undefined) return;
  await addUsers(address, PASSWORD, 'upstreams/');
  const server = await startServer(t);
  const at = formatAddress(address);
  const yaml = `registry: { etcd: { addresses: "${at}", user: gateway, password: env:ETCD_PASSWORD } }`;
  const env = { ...process.env, ETCD_PASSWORD: PASSWORD };
  const daemon = await serve(t, `${yaml}\nupstreams: { app: {} }\nlog_level: debug\n`, { env });
  const named = ['--registry', `etcd://${at}`];
  const user = { env: { ...process.env, ETCDCTL_USER: `gateway:${PASSWORD}` } };
  const key = `upstreams/app/${server.id}`;
  const put = await sluice(['kv', 'put', key, '{}', ...named], user);
  assert.equal(put.code, 0, put.stderr);
  await until('it takes requests', async () => (await get(daemon.gateway)).body === server.id);
  const stranger = await sluice(['kv', 'get', key, ...named]);
  assert.match(stranger.stderr, /etcd wants a user; set user and password/);
  const elsewhere = await sluice(['kv', 'put', 'other', '1', ...named], user);
  assert.match(elsewhere.stderr, /permission denied.*rights of the user's role/);
  assert.doesNotMatch(daemon.stderr() + stranger.stderr + elsewhere.stderr, /correct-horse/);
});

for (const [address, message] of [
  ['etcd://', /registry address "" is not host:port; write one like etcd:\/\/127\.0\.0\.1:2379/],
  ['etcd://127.0.0.1:1?api=v4', /registry: "api=v4" is unknown; write \?root=\/ or \?api=v2/],
  ['etcd://127.0.0.1:1?prefix=a', /registry: "prefix" is unknown/],
  ['etcd://127.0.0.1:1', /registry 127\.0\.0\.1:1: nobody listens .*start etcd or correct/],
] as const) {
  test(`--registry ${address} is refused with what to write`, async () => {
    const ended = await sluice(['kv', 'ls', '--registry', address]);
    assert.notEqual(ended.code, 0);
    assert.match(ended.stderr, message);
  });
}
