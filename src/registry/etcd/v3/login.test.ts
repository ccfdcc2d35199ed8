// Users, tokens that run out, and TLS with certificates on both sides, with a real etcd.

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createCertificates } from '../../../../test/support/peers/certificates.ts';
import { temporaryFolder } from '../../../../test/support/registry/builders.ts';
import {
  addUsers,
  forgetTokens,
  openEtcdClient,
  startEtcd,
} from '../../../../test/support/registry/etcd-cluster.ts';
import { Seen } from '../../../../test/support/registry/store-contract.ts';

const PASSWORD = 'correct horse';

test('a user reads, writes, watches and leases what its role allows, and no more', async (t) => {
  const etcd = await startEtcd(t);
  const [address] = etcd?.addresses ?? [];
  if (address === undefined) return;
  await addUsers(address, PASSWORD, 'w/');
  const store = openEtcdClient(t, [address], { user: 'gateway', password: PASSWORD });
  const seen = new Seen();
  const watch = store.watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('');
  await store.put('w/a', '1');
  await seen.until('a=1');
  const lease = await store.openLease({ ttlMs: 10_000, onLost: () => {} });
  await lease.put('w/b', '1');
  await seen.until('a=1 b=1');
  await lease.close();
  await seen.until('a=1');
  await assert.rejects(store.put('x/a', '1'), { code: 'registry_refused' });
  await assert.rejects(store.get('x/a'), { code: 'registry_refused' });
  assert.equal(store.health().reachable, true);
});

test('a watch without the right is trouble that is named, and never an empty list', async (t) => {
  const etcd = await startEtcd(t);
  const [address] = etcd?.addresses ?? [];
  if (address === undefined) return;
  await addUsers(address, PASSWORD, 'w/');
  for (const [options, trouble] of [
    [{ user: 'gateway', password: PASSWORD }, /permission denied.*role/],
    [{ user: 'gateway', password: 'wrong' }, /invalid user ID or password/],
    [{}, /set user and password/],
  ] as const) {
    const store = openEtcdClient(t, [address], options);
    const seen = new Seen();
    const health: boolean[] = [];
    const watch = store.watch('x/', {
      onState: seen.onState,
      onHealth: ({ reachable }) => health.push(reachable),
    });
    t.after(() => watch.close());
    await until(() => health.at(-1) === false);
    assert.deepEqual(seen.states, []);
    assert.equal(store.health().reachable, false);
    assert.match(store.health().trouble, trouble);
    assert.doesNotMatch(store.health().trouble, /correct horse|wrong/);
    await assert.rejects(store.get('x/a'), { code: 'registry_refused' });
  }
});

test('a token that etcd has forgotten is renewed, for calls and for the watch', async (t) => {
  const etcd = await startEtcd(t);
  const [member] = etcd?.members ?? [];
  if (etcd === undefined || member === undefined) return;
  await addUsers(member.address, PASSWORD, 'w/');
  const store = openEtcdClient(t, etcd.addresses, { user: 'gateway', password: PASSWORD });
  const seen = new Seen();
  const watch = store.watch('w/', seen);
  t.after(() => watch.close());
  await store.put('w/a', '1');
  await seen.until('a=1');
  await forgetTokens(member.address, 'gateway', PASSWORD);
  await store.put('w/a', '2');
  await seen.until('a=2');
  // The watch has to log in by itself.
  await forgetTokens(member.address, 'gateway', PASSWORD);
  await member.kill();
  member.start();
  const other = openEtcdClient(t, etcd.addresses, { user: 'gateway', password: PASSWORD });
  await other.put('w/a', '3');
  await seen.until('a=3');
});

test('a user whom a cluster without users does not know is let in', async (t) => {
  const etcd = await startEtcd(t);
  if (etcd === undefined) return;
  const store = openEtcdClient(t, etcd.addresses, { user: 'gateway', password: PASSWORD });
  assert.equal(await store.put('a', '1'), true);
});

test('speaks TLS with a certificate of its own, and takes up files that were replaced', async (t) => {
  const folder = temporaryFolder(t);
  const certificates = await createCertificates(t, folder);
  if (certificates === undefined) return;
  const [ca, server, client, otherCa, otherClient] = (
    ['ca', 'server', 'client', 'other-ca', 'other-client'] as const
  ).map(certificates);
  assert(ca && server && client && otherCa && otherClient);
  const etcd = await startEtcd(t, {
    tls: { ca: ca.cert, ...client },
    argv: [
      ...['--cert-file', server.cert, '--key-file', server.key],
      ...['--client-cert-auth', '--trusted-ca-file', ca.cert],
    ],
  });
  if (etcd === undefined) return;
  const tls = {
    ca: ca.cert,
    cert: join(folder, 'mine.pem'),
    key: join(folder, 'mine.key'),
    serverName: '',
    verify: true,
  };
  copyFileSync(otherClient.cert, tls.cert);
  copyFileSync(otherClient.key, tls.key);
  const store = openEtcdClient(t, etcd.addresses, { tls });
  const seen = new Seen();
  const health: boolean[] = [];
  const watch = store.watch('w/', {
    onState: seen.onState,
    onHealth: ({ reachable }) => health.push(reachable),
  });
  t.after(() => watch.close());
  // That certificate is of another authority.
  await until(() => health.at(-1) === false);
  copyFileSync(client.cert, tls.cert);
  copyFileSync(client.key, tls.key);
  await seen.until('');
  await store.put('w/a', '1');
  await seen.until('a=1');
  assert.equal(store.health().reachable, true);
  // A server that somebody else has signed is not trusted.
  const wary = openEtcdClient(t, etcd.addresses, {
    tls: { ...tls, ca: otherCa.cert },
    requestTimeoutMs: 1500,
  });
  await assert.rejects(wary.get('w/a'), { code: 'registry_unreachable' });
  const unsure = { ...tls, serverName: 'etcd.example' };
  for (const [changed, isLetIn] of [
    [{ ...tls, serverName: 'localhost' }, true],
    [unsure, false],
    [{ ...unsure, verify: false }, true],
  ] as const) {
    const options = { tls: changed, requestTimeoutMs: 1500 };
    const get = openEtcdClient(t, etcd.addresses, options).get('w/a');
    if (isLetIn) assert.equal((await get)?.key, 'w/a');
    else await assert.rejects(get, { code: 'registry_unreachable' });
  }
});

async function until(isThere: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!isThere()) {
    assert.ok(performance.now() < deadlineMs, 'not in time');
    await delay(20);
  }
}
