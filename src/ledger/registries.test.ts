// The ledger on real registries: what it commits fits into one request of each, and an old fence writes nothing.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startConsul } from '../../test/support/peers/programs.ts';
import { openClient, startEmbedded } from '../../test/support/registry/builders.ts';
import { openEtcdClient, startEtcd } from '../../test/support/registry/etcd-cluster.ts';
import { RECORDS_MAX, type ReleaseRecord, type TakeRequest } from '../admin/contract.ts';
import { Ledger } from '../ledger.ts';
import { embeddedStore, type RecordStore } from '../registry.ts';

const STORES: Readonly<Record<string, (t: TestContext) => Promise<RecordStore | undefined>>> = {
  embedded: async (t) => {
    const { address, store } = await startEmbedded(t);
    return embeddedStore(openClient(t, [address]), store);
  },
  consul: async (t) => {
    const consul = await startConsul(t);
    return consul === undefined ? undefined : openClient(t, consul.addresses);
  },
  etcd: async (t) => {
    const etcd = await startEtcd(t);
    return etcd === undefined ? undefined : openEtcdClient(t, etcd.addresses);
  },
};
const TAKE: TakeRequest = {
  ...{ kind: 'deploy', version: 'v1', upstream: 'app', user: 'ann', runner: 'pid 1 on ci-1' },
  ...{ ticket: '', why: '', of: '', resume: '', atLeast: 1, deadFence: 0 },
};
const END = { outcome: 'succeeded', exit: 0, reason: '', complete: true };
const ts = '2026-01-01T00:00:00.000Z';

function record(seq: number, bytes = 10): ReleaseRecord {
  const data = { text: 'x'.repeat(bytes) };
  return { seq, ts, kind: 'intent', instance: 'a:1', step: 'drain', fence: 0, data };
}

for (const [name, open] of Object.entries(STORES)) {
  test(`${name}: a release from its lock to its end`, async (t) => {
    const store = await open(t);
    if (store === undefined) return;
    const ledger = new Ledger({ store, prefix: 'sluice/', isStale: () => false, firstFence: 1 });
    const both = await Promise.allSettled([ledger.take('app', TAKE), ledger.take('app', TAKE)]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const many = Array.from({ length: RECORDS_MAX }, (_, seq) => record(seq));
    await ledger.append('app', { fence: 1, records: many });
    // As large as a runner sends at once.
    await ledger.append('app', { fence: 1, records: [record(RECORDS_MAX, 160 * 1024)] });
    const crowd = Array.from({ length: 20 }, (_, at) => record(RECORDS_MAX + 1 + at, 10_000));
    // While the lock is renewed.
    await Promise.all([
      ledger.append('app', { fence: 1, records: crowd }),
      ...[1, 2, 3].map(() => ledger.renew('app', 1)),
    ]);
    await ledger.putInstance('app', 'a:1', { fence: 1, record: { process: null } });
    const { records } = await ledger.journal('app', '');
    assert.deepEqual(
      records.map(({ seq }) => seq),
      records.map((_, at) => at),
    );
    assert.equal(records.length, RECORDS_MAX + 21);
    await ledger.close('app', { fence: 1, ...END });
    assert.equal((await ledger.take('app', TAKE)).fence, 2);
    await assert.rejects(ledger.append('app', { fence: 1, records: [record(99)] }), {
      code: 'locked',
    });
    const claim = await ledger.claim('app', ({ fence }) => fence === 2);
    await ledger.renew('app', 2);
    assert.equal(await store.commit([claim]), false, 'the lock has changed since');
    assert.equal((await ledger.instances('app'))[0]?.instance, 'a:1');
    assert.equal((await ledger.summaries('app')).length, 2);
  });
}
