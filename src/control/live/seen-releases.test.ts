// Releases for the live stream: read when their lock changed, and not while it is the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LockDocument } from '../../admin.ts';
import { NO_RELEASES } from '../shared.ts';
import { SeenReleases } from './seen-releases.ts';

const LOCK: LockDocument = { number: 1, fence: 7, beat: 1, holder: null, orphan: '', asked: null };

const HOLDER: NonNullable<LockDocument['holder']> = {
  ...{ release: 'r1', upstream: 'app', version: 'v1', user: 'ann', runner: '', ticket: '' },
  ...{ sinceMs: 0, step: '', waits: undefined },
};

function scene() {
  const asked: string[] = [];
  const state = { lock: LOCK, stale: false, fails: false, services: ['app'] };
  const seen = new SeenReleases(() => ({
    ...NO_RELEASES,
    standing: () =>
      new Map(state.services.map((name) => [name, { lock: state.lock, stale: state.stale }])),
    async history(service) {
      asked.push(service);
      if (state.fails) throw new Error('away');
      return { shared: true, lock: state.lock, stale: false, releases: [] };
    },
    async journal(service, release) {
      asked.push(`${service}/${release}`);
      return Promise.reject(new Error('none'));
    },
  }));
  return { seen, asked, state };
}

test('while a lock is the same nothing is read again, and each change of it is read', async () => {
  const { seen, asked, state } = scene();
  for (let times = 0; times < 3; times += 1) await seen.history('app');
  assert.deepEqual(asked, ['app']);
  const changes: readonly Partial<LockDocument>[] = [
    { beat: 2 },
    { fence: 8 },
    { orphan: 'r1' },
    { holder: { ...HOLDER } },
    { holder: null },
    { asked: { seq: 1, command: 'abort', by: '', why: '', before: undefined } },
  ];
  for (const [place, change] of changes.entries()) {
    state.lock = { ...LOCK, ...change };
    await seen.history('app');
    assert.equal(asked.length, place + 2, JSON.stringify(change));
  }
});

test('a lock becomes stale without a change', async () => {
  const { seen, asked, state } = scene();
  assert.equal((await seen.history('app')).stale, false);
  state.stale = true;
  assert.equal((await seen.history('app')).stale, true);
  assert.equal(asked.length, 1);
});

test('what failed is asked again, and so is what nothing is known about', async () => {
  const { seen, asked, state } = scene();
  state.fails = true;
  for (let times = 0; times < 2; times += 1) await assert.rejects(seen.history('app'));
  state.fails = false;
  await seen.history('app');
  assert.equal(asked.length, 3);
  for (let times = 0; times < 2; times += 1) await assert.rejects(seen.journal('app', 'r1'));
  for (let times = 0; times < 2; times += 1) await seen.history('other');
  assert.deepEqual(asked.slice(3), ['app/r1', 'app/r1', 'other', 'other']);
});

test('readings are bounded: the one that was looked at longest ago gives way', async () => {
  const { seen, asked, state } = scene();
  const services = Array.from({ length: 64 }, (_, place) => `s${place}`);
  state.services = ['app', ...services];
  for (const service of state.services) await seen.history(service);
  assert.equal(asked.length, 65);
  await seen.history('s63');
  assert.equal(asked.length, 65);
  await seen.history('app');
  assert.equal(asked.length, 66);
});
