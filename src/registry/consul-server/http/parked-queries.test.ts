// Who is woken by what, how often, and that the writer does not wait for it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../../../../test/support/registry/builders.ts';
import { silentLog } from '../../../base/log.ts';
import { openStore, type Store } from '../../embedded.ts';
import { ParkedQueries } from './parked-queries.ts';

const x = Buffer.from('x');

function start(t: TestContext): { readonly store: Store; readonly parked: ParkedQueries } {
  const store = openStore({ dataDir: temporaryFolder(t), log: silentLog });
  const parked = new ParkedQueries(store);
  t.after(() => {
    parked.close();
    store.close();
  });
  return { store, parked };
}

/** Parks a query and notes its answers. */
function watch(parked: ParkedQueries, key: string, tree: boolean): boolean[] {
  const answers: boolean[] = [];
  parked.park({ key, tree, waitMs: 60_000, answer: (changed) => answers.push(changed) });
  return answers;
}

/** Until everything that was due has been answered. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('a write is acknowledged before anybody is woken, and then they are some at a time', async (t) => {
  const { store, parked } = start(t);
  const all = Array.from({ length: 1_000 }, () => watch(parked, 'app/', true));
  const answered = (): number => all.filter((answers) => answers.length > 0).length;
  await store.put('app/1', x);
  assert.equal(answered(), 0);
  let turns = 0;
  while (answered() < all.length) {
    const before = answered();
    await new Promise((resolve) => setImmediate(resolve));
    assert(answered() - before <= 200, `${answered() - before} at once`);
    turns++;
    assert(turns < 100);
  }
  assert(turns > 5);
  assert.equal(parked.size, 0);
});

test('a burst of writes wakes a watcher once', async (t) => {
  const { store, parked } = start(t);
  const answers = watch(parked, 'app/', true);
  for (let at = 0; at < 10; at++) void store.put(`app/${at}`, x);
  await store.put('app/last', x);
  await quiet();
  assert.deepEqual(answers, [true]);
});

test('who comes after a change does not hear of it, who left before its answer gets none', async (t) => {
  const { store, parked } = start(t);
  const early: boolean[] = [];
  const leave = parked.park({
    ...{ key: 'app/', tree: true, waitMs: 60_000 },
    answer: (changed) => early.push(changed),
  });
  const stays = watch(parked, 'app/', true);
  await store.put('app/1', x);
  const late = watch(parked, 'app/', true);
  leave();
  await quiet();
  assert.deepEqual([early, stays, late], [[], [true], []]);
  assert.equal(parked.size, 1);
  await store.put('app/2', x);
  await quiet();
  assert.deepEqual(late, [true]);
});

test('wakes exactly who waits for what changed', async (t) => {
  const { store } = start(t);
  for (const key of ['a/b/1', 'a/b/2', 'a/c/1', 'd']) await store.put(key, x);
  const names: readonly (readonly [string, boolean])[] = [
    ...['', 'a/', 'a/b/', 'a/b/1', 'a/c/', 'a/e/', 'ab', 'd'].map((key) => [key, true] as const),
    ...['a/b/1', 'a/c/1', 'a/', 'd', 'none'].map((key) => [key, false] as const),
  ];
  const rounds: readonly (readonly [() => Promise<unknown>, string])[] = [
    [() => store.put('a/b/1', Buffer.from('y')), '* a/* a/b/* a/b/1* a/b/1'],
    [() => store.put('a/b/1', Buffer.from('y')), ''],
    [() => store.put('none', x), '* none'],
    [() => store.delete('none'), '* none'],
    [() => store.delete('a/b/', { recurse: true }), '* a/* a/b/* a/b/1* a/b/1'],
    [() => store.delete('a/', { recurse: true }), '* a/* a/c/* a/c/1'],
    [() => store.delete('a/', { recurse: true }), ''],
    [
      () =>
        store
          .transact((writes) => {
            writes.put('d', 'undone', '0');
            throw new Error('undone');
          })
          .catch(() => {}),
      '',
    ],
  ];
  for (const [change, expected] of rounds) {
    const own = new ParkedQueries(store);
    const woken: string[] = [];
    for (const [key, tree] of names) {
      const name = `${key}${tree ? '*' : ''}`;
      own.park({ key, tree, waitMs: 60_000, answer: (changed) => changed && woken.push(name) });
    }
    await change();
    await quiet();
    own.close();
    assert.equal(woken.sort().join(' '), expected.split(' ').sort().join(' '));
  }
});

test('closing answers everybody, also those who were woken', async (t) => {
  const { store, parked } = start(t);
  const all = Array.from({ length: 300 }, (_, at) => watch(parked, `app${at % 3}/`, true));
  await store.put('app1/1', x);
  parked.close();
  assert(all.every((answers) => answers.length === 1));
});
