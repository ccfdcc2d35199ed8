// The store's own watch: records where records changed, the whole prefix for everything else.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../../../test/support/registry/builders.ts';
import { silentLog } from '../../base/log.ts';
import type { KvChange, KvState } from '../record-store.ts';
import { openStore, type Store } from './store.ts';
import { watchStore } from './store-watch.ts';

type Watched = {
  readonly store: Store;
  /** `all@3 a=1 b=2` or `some@4 b=3`. */
  readonly seen: string[];
  /** Takes the next word, waits for it when it is not there yet. */
  readonly next: () => Promise<string>;
  takesRecords: boolean;
  readonly close: () => void;
};

function watched(t: TestContext, prefix = 'up/'): Watched {
  const store = openStore({ dataDir: temporaryFolder(t), log: silentLog });
  t.after(() => store.close());
  const seen: string[] = [];
  const show = (
    what: string,
    { index, entries, removed = [] }: KvState & Partial<KvChange>,
  ): void => {
    const pairs = entries.map(
      ({ key, value }) => `${key.slice(prefix.length)}=${Buffer.from(value)}`,
    );
    const gone = removed.map((key) => `-${key.slice(prefix.length)}`);
    seen.push([`${what}@${index}`, ...pairs, ...gone].join(' '));
    arrived();
  };
  let arrived = (): void => {};
  const it = { takesRecords: true };
  const watch = watchStore(store, prefix, {
    onState: (state) => show('all', state),
    onRecords: (change) => {
      if (it.takesRecords) show('some', change);
      return it.takesRecords;
    },
  });
  t.after(() => watch.close());
  return Object.assign(it, {
    store,
    seen,
    next: async () => {
      if (seen.length === 0) {
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      }
      return seen.shift() ?? '';
    },
    close: () => watch.close(),
  });
}

const text = (value: string): Uint8Array => Buffer.from(value);

test('tells the whole prefix first, then the records that were written', async (t) => {
  const it = watched(t);
  assert.equal(await it.next(), 'all@1');
  await it.store.put('up/b', text('2'));
  assert.equal(await it.next(), 'some@2 b=2');
  await it.store.put('other', text('2'));
  await it.store.put('up/b', text('2'));
  await it.store.put('up/a', text('1'));
  assert.equal(await it.next(), 'some@4 a=1');
  assert.deepEqual(it.seen, []);
});

test('a burst is one word, with the last of each record', async (t) => {
  const it = watched(t);
  await it.next();
  await Promise.all(['1', '2', '3'].map((value) => it.store.put('up/a', text(value))));
  assert.equal(await it.next(), 'some@4 a=3');
  await it.store.put('up/b', text('1'));
  assert.equal(await it.next(), 'some@5 b=1');
});

test('a record that is gone is told by its key, a tree from above by the whole prefix', async (t) => {
  const it = watched(t);
  await it.next();
  await Promise.all(['a', 'b'].map((key) => it.store.put(`up/${key}`, text('1'))));
  await it.next();
  await it.store.delete('up/a');
  assert.equal(await it.next(), 'some@4 -a');
  await it.store.delete('u', { recurse: true });
  assert.equal(await it.next(), 'all@5');
  await it.store.put('up/c', text('1'));
  assert.equal(await it.next(), 'some@6 c=1');
});

test('a watcher for whom records are not enough gets the whole prefix', async (t) => {
  const it = watched(t);
  await it.next();
  await it.store.put('up/a', text('1'));
  await it.next();
  it.takesRecords = false;
  await it.store.put('up/b', text('1'));
  assert.equal(await it.next(), 'all@3 a=1 b=1');
});

test('more than a thousand records at once are told as the whole prefix', async (t) => {
  const it = watched(t);
  await it.next();
  const keys = Array.from({ length: 1001 }, (_, index) => `up/${index}`);
  await it.store.transact((writes) => keys.map((key) => writes.put(key, text('1'), '0')));
  assert.match(await it.next(), /^all@2 /);
});

test('a closed watch is silent', async (t) => {
  const it = watched(t);
  const other = watched(t);
  await it.next();
  await other.next();
  it.close();
  for (const { store } of [it, other]) await store.put('up/a', text('1'));
  await other.next();
  assert.deepEqual(it.seen, []);
});
