// The lock, the journals and the history of a service, as two gateways of one registry keep them.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MemoryRegistry, settled } from '../../../test/support/gateways/memory-registry.ts';
import type { ReleaseRecord, TakeRequest } from '../../admin/contract.ts';
import { silentLog } from '../../base/log.ts';
import { SharedReleases } from './releases.ts';

const TAKE: TakeRequest = {
  ...{ kind: 'deploy', version: 'v1', upstream: 'app', user: 'ann', runner: 'pid 1 on ci-1' },
  ...{ ticket: '', why: '', of: '', resume: '', atLeast: 1, deadFence: 0 },
};
const STALE_MS = 15_000;

function record(seq: number, more: Partial<ReleaseRecord> = {}): ReleaseRecord {
  const ts = `2026-01-01T00:00:${String(seq).padStart(2, '0')}.000Z`;
  return {
    ...{ seq, ts, kind: 'intent', instance: 'a:1', step: 'drain', fence: 0, data: {}, ...more },
  };
}

function gatewayOf(
  t: TestContext,
  registry: MemoryRegistry,
  drained: readonly string[] = [],
  first: { readonly firstFence?: number } = { firstFence: 1 },
) {
  const store = registry.client();
  const given: string[] = [];
  const told: string[] = [];
  const releases = new SharedReleases({
    ...{ store, prefix: 'sluice/', log: silentLog, staleMs: STALE_MS, ...first },
    drainedBy: () => drained.map((server) => ({ upstream: 'app', server })),
    giveBack: async ({ server, owner, claim }) => {
      const writes = await claim();
      if (await store.commit(writes)) given.push(`${server} ${owner}`);
    },
    onGivenBack: ({ server, reason }) => void told.push(`${server}: ${reason}`),
  });
  t.after(() => releases.stop());
  return { store, releases, given, told };
}

async function scene(t: TestContext, drained: readonly string[] = []) {
  const registry = new MemoryRegistry();
  const [a, b] = [gatewayOf(t, registry, drained), gatewayOf(t, registry, drained)];
  await settled();
  return { registry, a, b };
}

/** Time passes for the gateways; nothing else happens. */
async function pass(t: TestContext, ms: number): Promise<void> {
  t.mock.timers.tick(ms);
  for (let turns = 0; turns < 20; turns += 1) await settled();
}

/** `performance.now` of the program goes with the timers. */
function fakeTime(t: TestContext): void {
  let nowMs = 1000;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(performance, 'now', () => nowMs);
  const { tick } = t.mock.timers;
  t.mock.timers.tick = (ms = 1) => {
    nowMs += ms;
    tick.call(t.mock.timers, ms);
  };
}

test('one runner gets the service, whatever gateway it asks, and others are told who has it', async (t) => {
  const { a, b } = await scene(t);
  const tries = await Promise.allSettled(
    [a, b, a, b, b].map(({ releases }) => releases.take('app', TAKE)),
  );
  const taken = tries.filter(({ status }) => status === 'fulfilled');
  assert.equal(taken.length, 1);
  await a.releases.append('app', { fence: 1, records: [record(0)] });
  await assert.rejects(b.releases.take('app', { ...TAKE, user: 'bob' }), {
    code: 'locked',
    message:
      /^service "app": release r1 to v1 by ann \(pid 1 on ci-1\) has been running for .*, in drain of a:1; wait for it, or end it with: sluice abort app$/,
  });
  // Another service is another lock.
  assert.equal((await b.releases.take('web', TAKE)).release, 'r1');
});

test('the fence rises with each lock, and an older one writes nothing any more', async (t) => {
  const { registry, a, b } = await scene(t);
  assert.equal((await a.releases.take('app', TAKE)).fence, 1);
  const end = { outcome: 'failed', exit: 1, reason: 'why', complete: false };
  await a.releases.close('app', { fence: 1, ...end });
  assert.equal((await b.releases.take('app', TAKE)).fence, 2);
  const keys = registry.keys('sluice/');
  const lost = { code: 'locked', message: /the lock of this release is lost, release r2 by ann/ };
  const old = a.releases;
  await assert.rejects(old.append('app', { fence: 1, records: [record(3)] }), lost);
  await assert.rejects(old.renew('app', { fence: 1, heard: 0, waitMs: 0 }), lost);
  await assert.rejects(old.close('app', { fence: 1, ...end }), lost);
  await assert.rejects(old.putInstance('app', 'a:1', { fence: 1, record: {} }), lost);
  await assert.rejects(old.claim({ service: 'app', fence: 1 }), lost);
  assert.throws(() => old.checkKnown({ service: 'app', fence: 1 }), lost);
  assert.equal((await old.claim({ service: 'app', fence: 2 })).length, 1);
  assert.deepEqual(registry.keys('sluice/'), keys);
});

test('a record that is sent twice is written once, and another one in its place is refused', async (t) => {
  const { a, b } = await scene(t);
  await a.releases.take('app', TAKE);
  await a.releases.append('app', { fence: 1, records: [record(0), record(1)] });
  await b.releases.append('app', { fence: 1, records: [record(1), record(2, { kind: 'done' })] });
  const { records } = await a.releases.journal('app', 'newest');
  assert.deepEqual(
    records.map(({ seq, kind, fence }) => [seq, kind, fence]),
    [
      [0, 'intent', 1],
      [1, 'intent', 1],
      [2, 'done', 1],
    ],
  );
  const other = { ...record(2), ts: '2027-01-01T00:00:00.000Z' };
  await assert.rejects(b.releases.append('app', { fence: 1, records: [other] }), {
    code: 'conflict',
  });
});

test('history says how each release ended, newest first', async (t) => {
  const { a, b } = await scene(t);
  await a.releases.take('app', { ...TAKE, atLeast: 7 });
  const end = { outcome: 'succeeded', exit: 0, reason: '', complete: true };
  await a.releases.close('app', { fence: 1, ...end });
  await b.releases.take('app', { ...TAKE, kind: 'rollback', of: 'r7', why: 'slow', version: 'v0' });
  const { releases, lock } = await a.releases.history('app');
  assert.deepEqual(
    releases.map(({ release, kind, outcome, of, why, complete }) => ({
      ...{ release, kind, outcome, of, why, complete },
    })),
    [
      { release: 'r8', kind: 'rollback', outcome: '', of: 'r7', why: 'slow', complete: false },
      { release: 'r7', kind: 'deploy', outcome: 'succeeded', of: '', why: '', complete: true },
    ],
  );
  assert.equal(lock?.holder?.release, 'r8');
  await assert.rejects(a.releases.journal('app', 'r3'), {
    code: 'not_found',
    message: 'service "app": no release r3; the newest: r8, r7',
  });
});

test('the newest hundred releases are kept', async (t) => {
  const { registry, a } = await scene(t);
  for (let fence = 1; fence <= 103; fence += 1) {
    await a.releases.take('app', TAKE);
    await a.releases.append('app', { fence, records: [record(0)] });
    const end = { outcome: 'succeeded', exit: 0, reason: '', complete: true };
    await a.releases.close('app', { fence, ...end });
  }
  assert.equal(registry.keys('sluice/releases/history/app/').length, 100);
  assert.equal(registry.keys('sluice/releases/journals/app/').length, 100);
  assert.equal(registry.text('sluice/releases/history/app/r3'), undefined);
});

test('a runner hears of a command by its renewal, whatever gateway was told', async (t) => {
  const { a, b } = await scene(t);
  await a.releases.take('app', TAKE);
  const renewed = a.releases.renew('app', { fence: 1, heard: 0, waitMs: 10_000 });
  await settled();
  const ask = { command: 'pause', owner: 'user:bob', why: 'lunch' } as const;
  assert.equal(await b.releases.command('app', ask), 'r1');
  const { asked } = await renewed;
  assert.deepEqual([asked?.command, asked?.by, asked?.why], ['pause', 'user:bob', 'lunch']);
  // It is told once.
  const again = await a.releases.renew('app', { fence: 1, heard: asked?.seq ?? 0, waitMs: 0 });
  assert.equal(again.asked, null);
  await assert.rejects(b.releases.command('web', ask), { code: 'not_found' });
});

test('what a dead runner is told is no sign of life of it', async (t) => {
  const { a, b } = await scene(t);
  fakeTime(t);
  await a.releases.take('app', TAKE);
  await settled();
  const ask = { command: 'resume', owner: 'user:bob', why: '' } as const;
  for (const { releases } of [a, b]) {
    await pass(t, STALE_MS / 2 - 1000);
    await releases.command('app', ask);
  }
  await pass(t, 2000);
  assert.equal((await b.releases.take('app', TAKE)).release, 'r2');
});

test('a lock that is renewed through any gateway stays, one that is not is free after a while', async (t) => {
  const { a, b } = await scene(t);
  fakeTime(t);
  await a.releases.take('app', TAKE);
  await settled();
  for (let turns = 0; turns < 5; turns += 1) {
    await pass(t, STALE_MS - 1000);
    const via = turns % 2 === 0 ? b : a;
    await via.releases.renew('app', { fence: 1, heard: 0, waitMs: 0 });
    await settled();
  }
  await assert.rejects(b.releases.take('app', TAKE), { code: 'locked' });
  await pass(t, STALE_MS);
  assert.equal((await b.releases.take('app', TAKE)).release, 'r2');
});

test('while the registry is away no lock gets old', async (t) => {
  const { a, b } = await scene(t);
  fakeTime(t);
  await a.releases.take('app', TAKE);
  await settled();
  for (const { store } of [a, b]) store.isAway = true;
  await pass(t, 10 * STALE_MS);
  for (const { store } of [a, b]) store.isAway = false;
  await settled();
  await pass(t, STALE_MS - 1000);
  await a.releases.renew('app', { fence: 1, heard: 0, waitMs: 0 });
});

test('what a dead runner drained and did not stop goes back, once, and it hears of it', async (t) => {
  const { a, b } = await scene(t, ['a:1', 'b:1', 'c:1', 'd:1']);
  fakeTime(t);
  await a.releases.take('app', TAKE);
  const serving = { step: 'guard', data: { serving: true } };
  await a.releases.append('app', {
    fence: 1,
    records: [
      record(0, { ...serving, instance: 'a:1' }),
      record(1, { instance: 'a:1' }),
      // Its process was told to stop.
      record(2, { ...serving, instance: 'b:1' }),
      record(3, { instance: 'b:1', step: 'stop' }),
      // It did not serve before.
      record(4, { step: 'guard', instance: 'c:1', data: { serving: false } }),
      // It failed, and is taken back.
      record(5, { step: 'guard', instance: 'd:1', data: { serving: true, revert: true } }),
    ],
  });
  await settled();
  await pass(t, STALE_MS);
  await pass(t, 6000);
  assert.deepEqual([...a.given, ...b.given], ['a:1 release:r1']);
  assert.match([...a.told, ...b.told].join(), /^a:1: the runner of r1 is gone/);
  const lost = { code: 'locked', message: /it was (not renewed in time|given back)/ };
  const stop = { fence: 1, records: [record(6, { step: 'stop', instance: 'a:1' })] };
  await assert.rejects(b.releases.append('app', stop), lost);
  const { releases, lock } = await b.releases.history('app');
  assert.deepEqual([lock?.holder, lock?.orphan], [null, '']);
  assert.deepEqual([releases[0]?.outcome, releases[0]?.lastStep], ['', 'guard of d:1']);
});

test('when the gateway that took the lock away ends there, another one gives back', async (t) => {
  const { registry, a, b } = await scene(t, ['a:1']);
  await a.releases.take('app', TAKE);
  const data = { serving: true };
  await a.releases.append('app', { fence: 1, records: [record(0, { step: 'guard', data })] });
  a.releases.stop();
  fakeTime(t);
  const key = 'sluice/releases/locks/app';
  const lock = JSON.parse(registry.text(key) ?? '');
  registry.set(key, JSON.stringify({ ...lock, holder: null, orphan: 'r1' }));
  await pass(t, 100);
  await pass(t, 6000);
  assert.deepEqual(b.given, ['a:1 release:r1']);
});

test('an unfinished release is resumed under its name, with a new fence, after its last record', async (t) => {
  const { a, b } = await scene(t);
  await a.releases.take('app', TAKE);
  await a.releases.append('app', { fence: 1, records: [record(0), record(1)] });
  await assert.rejects(b.releases.take('app', { ...TAKE, resume: 'r1' }), { code: 'locked' });
  const taken = await b.releases.take('app', { ...TAKE, resume: 'r1', deadFence: 1 });
  assert.deepEqual([taken.release, taken.fence, taken.nextSeq], ['r1', 2, 2]);
  await b.releases.append('app', { fence: 2, records: [record(2, { kind: 'done' })] });
  await assert.rejects(a.releases.append('app', { fence: 1, records: [record(2)] }), {
    code: 'locked',
  });
  const end = { outcome: 'succeeded', exit: 0, reason: '', complete: true };
  await b.releases.close('app', { fence: 2, ...end });
  await assert.rejects(b.releases.take('app', { ...TAKE, resume: 'r1' }), {
    code: 'conflict',
    message: 'release r1 of "app": has ended (succeeded)',
  });
});

test('a registry that has lost the lock begins with a fence that no host has seen', async (t) => {
  const registry = new MemoryRegistry();
  const { releases } = gatewayOf(t, registry, [], {});
  const { fence } = await releases.take('app', TAKE);
  assert(fence > 1_700_000_000);
});

test('who asks for the lock again because the answer was lost gets the same', async (t) => {
  const { a, b } = await scene(t);
  const mine = { ...TAKE, ticket: 'mine' };
  const first = await a.releases.take('app', mine);
  assert.deepEqual(await b.releases.take('app', mine), first);
  await assert.rejects(b.releases.take('app', { ...TAKE, ticket: 'other' }), { code: 'locked' });
});

test('one that was interrupted is gone on with, and has not ended then', async (t) => {
  const { a } = await scene(t);
  await a.releases.take('app', TAKE);
  const end = { outcome: 'interrupted', exit: 130, reason: 'interrupted', complete: false };
  await a.releases.close('app', { fence: 1, ...end });
  const { release, fence } = await a.releases.take('app', { ...TAKE, resume: 'r1' });
  assert.deepEqual([release, fence], ['r1', 2]);
  const { releases } = await a.releases.history('app');
  assert.deepEqual(
    releases.map(({ outcome, exit, endedAtMs }) => [outcome, exit, endedAtMs]),
    [['', 0, 0]],
  );
});
