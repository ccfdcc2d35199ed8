import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import { MemoryRegistry, settled } from '../../test/support/gateways/memory-registry.ts';
import type { Lease } from '../registry.ts';
import { LeasedRecords } from './leased-records.ts';

async function scene(t: TestContext, restMs = 0) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let nowMs = 1000;
  t.mock.method(performance, 'now', () => nowMs);
  const registry = new MemoryRegistry();
  const store = registry.client();
  const { log, lines } = recordingLog();
  const texts = new Map([['k', 'one']]);
  const given = { lease: undefined as Lease | undefined, isRead: true };
  given.lease = await store.openLease({ ttlMs: 1, onLost: () => {} });
  const records = new LeasedRecords({
    ...{ log, restMs },
    lease: () => given.lease,
    isRead: () => given.isRead,
    keys: () => [...texts.keys()],
    text: (key) => texts.get(key) ?? '',
    read: async () => {
      const { entries } = await store.list('');
      return new Map(entries.map(({ key, value }) => [key, Buffer.from(value).toString()]));
    },
  });
  t.after(() => records.close());
  const tick = async (ms: number): Promise<void> => {
    nowMs += ms;
    t.mock.timers.tick(ms);
    await settled();
  };
  const puts = (): number => store.asked.filter((what) => what === 'put k').length;
  return { registry, store, lines, texts, given, records, tick, puts };
}

test('a text is written when it is another', async (t) => {
  const { records, tick, registry, texts, puts } = await scene(t);
  records.note();
  records.note();
  assert.equal(registry.text('k'), undefined);
  await tick(0);
  assert.equal(registry.text('k'), 'one');
  records.note();
  await tick(0);
  assert.equal(puts(), 1);
  texts.set('k', 'two');
  records.note();
  await tick(0);
  assert.equal(registry.text('k'), 'two');
});

test('nothing is written while nobody reads it, or without a lease', async (t) => {
  const { records, tick, given, puts } = await scene(t);
  given.isRead = false;
  records.note();
  await tick(10_000);
  assert.equal(puts(), 0);
  given.isRead = true;
  const { lease } = given;
  given.lease = undefined;
  records.note();
  await tick(10_000);
  assert.equal(puts(), 0);
  given.lease = lease;
  records.again();
  await tick(0);
  assert.equal(puts(), 1);
});

test('with another lease everything is written again', async (t) => {
  const { records, tick, puts } = await scene(t);
  records.note();
  await tick(0);
  records.again();
  await tick(0);
  assert.equal(puts(), 2);
});

test('one write at a time, then the newest text', async (t) => {
  const { records, tick, store, registry, texts, puts } = await scene(t);
  const release = store.hold();
  records.note();
  await tick(0);
  for (const text of ['two', 'three']) {
    texts.set('k', text);
    records.note();
    await tick(0);
  }
  assert.equal(puts(), 1);
  release();
  await tick(0);
  await tick(0);
  assert.equal(puts(), 2);
  assert.equal(registry.text('k'), 'three');
});

test('there is a rest between two looks', async (t) => {
  const { records, tick, registry, texts } = await scene(t, 500);
  records.note();
  await tick(0);
  texts.set('k', 'two');
  records.note();
  await tick(499);
  assert.equal(registry.text('k'), 'one');
  await tick(1);
  assert.equal(registry.text('k'), 'two');
});

test('a write that failed is tried again, and said once', async (t) => {
  const { records, tick, store, registry, lines, given, puts } = await scene(t);
  store.failQuietly(true);
  records.note();
  await tick(0);
  await tick(999);
  assert.equal(puts(), 1);
  await tick(1);
  assert.equal(puts(), 2);
  assert.equal(lines.length, 1);
  store.failQuietly(false);
  await tick(1000);
  assert.equal(registry.text('k'), 'one');
  // Said again after it was good; without a lease there is nothing to try.
  store.failQuietly(true);
  records.again();
  await tick(0);
  assert.equal(lines.length, 2);
  given.lease = undefined;
  await tick(1000);
  const count = puts();
  await tick(10_000);
  assert.equal(puts(), count);
});

test('a write under a lease that is over does not hold up the next one', async (t) => {
  const { records, tick, registry, given, store, lines } = await scene(t);
  const { promise, reject } = Promise.withResolvers<void>();
  const old = given.lease ?? assert.fail();
  given.lease = { ...old, put: () => promise };
  records.note();
  await tick(0);
  given.lease = await store.openLease({ ttlMs: 1, onLost: () => {} });
  records.again();
  await tick(0);
  assert.equal(registry.text('k'), undefined);
  reject(new Error('the lease is over'));
  await settled();
  await tick(0);
  assert.equal(registry.text('k'), 'one');
  assert.deepEqual(lines, []);
});

test('a record that was lost or overtaken is written again', async (t) => {
  const { records, tick, registry, puts } = await scene(t);
  records.note();
  await tick(0);
  registry.remove('k');
  await tick(2999);
  assert.equal(registry.text('k'), undefined);
  await tick(1);
  await tick(0);
  assert.equal(registry.text('k'), 'one');
  registry.set('k', 'an older text');
  await tick(3000);
  await tick(0);
  assert.equal(registry.text('k'), 'one');
  await tick(3000);
  await tick(0);
  assert.equal(puts(), 3, 'what is right stays');
});

test('what cannot be compared, or is being written, is left alone', async (t) => {
  const { records, tick, store, given, texts, puts } = await scene(t);
  records.note();
  await tick(0);
  store.failQuietly(true);
  await tick(3000);
  store.failQuietly(false);
  await tick(0);
  assert.equal(puts(), 1);
  const release = store.hold();
  texts.set('k', 'two');
  records.note();
  await tick(3000);
  release();
  await tick(0);
  await tick(0);
  assert.equal(puts(), 2);
  given.lease = undefined;
  await tick(3000);
  await tick(3000);
  assert.equal(puts(), 2);
});

test('a text that was written while the records were read is right', async (t) => {
  const { records, tick, store, texts, puts } = await scene(t);
  records.note();
  await tick(0);
  const release = store.hold();
  await tick(3000);
  store.hold()();
  texts.set('k', 'two');
  records.note();
  await tick(0);
  release();
  await tick(0);
  await tick(0);
  assert.equal(puts(), 2);
});

test('closed is closed, also where nothing was noted before', async (t) => {
  const { records, tick, puts } = await scene(t);
  records.close();
  records.note();
  await tick(10_000);
  assert.equal(puts(), 0);
});

test('closed is closed', async (t) => {
  const { records, tick, store } = await scene(t);
  records.note();
  records.close();
  await tick(10_000);
  records.note();
  await tick(10_000);
  assert.deepEqual(
    store.asked.filter((what) => what !== 'lease'),
    [],
  );
});
