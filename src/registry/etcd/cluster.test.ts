// A real etcd of three members that are killed, frozen and started again while clients read, write, watch
// and hold leases: no list is lost, and a change that was written is seen, whatever one member does.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  askEtcd,
  type EtcdMember,
  openEtcdClient,
  type RunningEtcd,
  startEtcd,
} from '../../../test/support/registry/etcd-cluster.ts';
import { Seen } from '../../../test/support/registry/store-contract.ts';
import type { EtcdApi } from '../etcd.ts';
import type { RecordStore } from '../record-store.ts';

/** Far above what is promised (3 s): this is no measurement. */
const DEADLINE_MS = 20_000;

type Watched = {
  readonly seen: Seen;
  readonly health: boolean[];
  readonly store: RecordStore;
};

/** A client whose first address is the one of this member, and what it sees of `w/`. */
async function watching(
  t: TestContext,
  etcd: RunningEtcd,
  first: EtcdMember,
  api: EtcdApi = 'v3',
): Promise<Watched> {
  const rest = etcd.addresses.filter((address) => address !== first.address);
  const store = openEtcdClient(t, [first.address, ...rest], { api });
  const seen = new Seen();
  const health: boolean[] = [];
  const watch = store.watch('w/', {
    onState: seen.onState,
    onHealth: ({ reachable }) => health.push(reachable),
  });
  t.after(() => watch.close());
  await within(seen.until('a=0'), 'the first state');
  return { seen, health, store };
}

async function within<Result>(promise: Promise<Result>, what: string): Promise<Result> {
  const over = new AbortController();
  const late = delay(DEADLINE_MS, undefined, { signal: over.signal }).then(
    () => assert.fail(`${what}: not within ${DEADLINE_MS} ms`),
    () => assert.fail('given up'),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
    late.catch(() => {});
  }
}

/** Writes as a person would who sees an error: once more. */
async function write(store: RecordStore, value: string): Promise<void> {
  await within(store.put('w/a', value), `the write of ${value}`);
}

const HARM: Readonly<Record<'killed' | 'frozen', (member: EtcdMember) => Promise<() => void>>> = {
  killed: async (member) => {
    await member.kill();
    return () => member.start();
  },
  frozen: async (member) => {
    member.freeze();
    return () => member.thaw();
  },
};

const CASES = [
  ['v3', 'leader', 'killed'],
  ['v3', 'leader', 'frozen'],
  ['v3', 'follower', 'killed'],
  ['v3', 'follower', 'frozen'],
  ['v2', 'leader', 'killed'],
  ['v2', 'leader', 'frozen'],
  ['v2', 'follower', 'frozen'],
] as const;

for (const [api, role, word] of CASES) {
  const harm = HARM[word];
  test(`${api}: a ${role} that is ${word} costs neither a write nor a watch nor a lease`, async (t) => {
    const etcd = await startEtcd(t, { members: 3, argv: ['--enable-v2'] });
    if (etcd === undefined) return;
    const leader = await etcd.leader();
    const victim =
      role === 'leader'
        ? leader
        : (etcd.members.find((member) => member !== leader) ?? assert.fail());
    const healthy = etcd.members.filter((member) => member !== victim);
    const writer = openEtcdClient(
      t,
      healthy.map(({ address }) => address),
      { api },
    );
    await writer.put('w/a', '0');
    // Every gateway uses another member; one uses the victim.
    const all = await Promise.all(etcd.members.map((member) => watching(t, etcd, member, api)));
    const lost: string[] = [];
    const lease = await all[0]?.store.openLease({
      ttlMs: 10_000,
      onLost: (reason) => lost.push(reason),
    });
    await lease?.put('l/alive', '1');

    const heal = await harm(victim);
    await write(writer, '1');
    for (const { seen } of all) await within(seen.until('a=1'), 'the change');
    // Not by luck: once more through each, among them the one that began at the victim.
    for (const [at, { store }] of all.entries()) {
      await write(store, String(at + 2));
      for (const { seen } of all) await within(seen.until(`a=${at + 2}`), 'the change');
    }
    heal();
    await etcd.ready();
    await write(writer, '9');
    for (const { seen, health } of all) {
      await within(seen.until('a=9'), 'the change');
      assert(
        seen.states.every((state) => /^a=\d$/.test(state)),
        `never empty: ${seen.states}`,
      );
      assert.notEqual(health.at(-1), false);
    }
    assert.equal((await writer.list('l/')).entries.length, 1);
    assert.deepEqual(lost, []);
    await lease?.close();
    assert.deepEqual((await writer.list('l/')).entries, []);
  });
}

test('all members gone: the list stays, the trouble is told, and the next change arrives', async (t) => {
  const etcd = await startEtcd(t, { members: 3 });
  const [first] = etcd?.members ?? [];
  if (etcd === undefined || first === undefined) return;
  const writer = openEtcdClient(t, etcd.addresses, { requestTimeoutMs: 1_000 });
  await writer.put('w/a', '0');
  const { seen, health, store } = await watching(t, etcd, first);
  const lost: string[] = [];
  const lease = await store.openLease({ ttlMs: 30_000, onLost: (reason) => lost.push(reason) });
  await lease.put('l/alive', '1');
  await Promise.all(etcd.members.map((member) => member.kill()));
  await until(() => health.at(-1) === false);
  assert.equal(store.health().reachable, false);
  assert.notEqual(store.health().trouble, '');
  await assert.rejects(writer.put('w/a', '1'), { code: 'registry_unreachable' });
  for (const member of etcd.members) member.start();
  await etcd.ready();
  await until(() => health.at(-1) === true);
  await write(store, '2');
  await within(seen.until('a=2'), 'the change');
  assert.deepEqual([...new Set(seen.states)], ['a=0', 'a=2']);
  assert.equal((await store.list('l/')).entries.length, 1);
  assert.deepEqual(lost, []);
  await lease.close();
  assert.equal((await store.list('l/')).entries.length, 0);
});

test('a lease that could not be renewed for its whole time is lost, and ends', async (t) => {
  const etcd = await startEtcd(t);
  const [member] = etcd?.members ?? [];
  if (etcd === undefined || member === undefined) return;
  const store = openEtcdClient(t, etcd.addresses);
  const lost: string[] = [];
  const lease = await store.openLease({ ttlMs: 3_000, onLost: (reason) => lost.push(reason) });
  await lease.put('l/alive', '1');
  member.freeze();
  await until(() => lost.length > 0);
  assert.match(lost[0] ?? '', /no renewal was answered for 3000 ms/);
  member.thaw();
  const seen = new Seen();
  const watch = store.watch('l/', seen);
  t.after(() => watch.close());
  await within(seen.until(''), 'the end of its records');
  await assert.rejects(lease.put('l/alive', '2'), { code: 'conflict' });
  assert.equal(lost.length, 1);
});

test('a lease that etcd has ended is lost, and its key is free for another one', async (t) => {
  const etcd = await startEtcd(t);
  if (etcd === undefined) return;
  const store = openEtcdClient(t, etcd.addresses);
  const lost: string[] = [];
  const lease = await store.openLease({ ttlMs: 3_000, onLost: (reason) => lost.push(reason) });
  const other = await store.openLease({ ttlMs: 30_000, onLost: (reason) => lost.push(reason) });
  await lease.put('l/a', '1');
  await assert.rejects(other.put('l/a', '2'), {
    code: 'conflict',
    message: /another lease holds it/,
  });
  await store.put('l/free', '1');
  await other.put('l/free', '2');
  const leases = await askEtcd(etcd.addresses[0] ?? assert.fail(), '/v3/lease/leases', {});
  const ids = [...(leases ?? '').matchAll(/"ID":"(\d+)"/g)].map(([, id]) => id);
  for (const ID of ids) {
    await askEtcd(etcd.addresses[0] ?? assert.fail(), '/v3/lease/revoke', { ID });
  }
  await until(() => lost.length > 0);
  assert.match(lost[0] ?? '', /does not know it any more/);
  const third = await store.openLease({ ttlMs: 30_000, onLost: () => {} });
  await third.put('l/a', '3');
  assert.equal(Buffer.from((await store.get('l/a'))?.value ?? []).toString(), '3');
  await assert.rejects(other.put('l/a', '4'), { code: 'conflict' });
});

test('a write with cas to a member that froze is done once, through another', async (t) => {
  const etcd = await startEtcd(t, { members: 3 });
  const [victim] = etcd?.members ?? [];
  if (etcd === undefined || victim === undefined) return;
  const writer = openEtcdClient(t, etcd.addresses);
  await writer.put('w/a', '0');
  const index = (await writer.get('w/a'))?.modifyIndex ?? 0;
  victim.freeze();
  // Just before, the member answered: the write goes there first, and stays without an answer.
  assert.equal(await within(writer.put('w/a', '1', { cas: index }), 'the write'), true);
  assert.equal(await writer.put('w/a', '2', { cas: index }), false);
  victim.thaw();
  await etcd.ready();
  // What was sent to the frozen member comes too late: its condition holds no longer.
  const entry = await writer.get('w/a');
  assert.equal(Buffer.from(entry?.value ?? []).toString(), '1');
});

async function until(isThere: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!isThere()) {
    assert.ok(performance.now() < deadlineMs, 'not in time');
    await delay(20);
  }
}
