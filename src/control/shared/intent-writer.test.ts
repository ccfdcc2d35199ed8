import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startGateway, type TestGateway } from '../../../test/support/gateways/builders.ts';
import { MemoryRegistry, settled } from '../../../test/support/gateways/memory-registry.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { PendingIntent } from '../../gateways.ts';
import { Others } from '../others.ts';
import { type IntentChange, IntentWriter } from './intent-writer.ts';

const REQUEST = { state: 'drain', owner: 'user:ann', reason: '' } as const;

function writerOf({ gateways }: TestGateway) {
  const saved: PendingIntent[] = [];
  const writer = new IntentWriter({
    gateways,
    others: new Others({ gateways, name: 'A', sharedRegistry: '' }),
    save: (intent) => saved.push(intent),
    beside: async () => [],
  });
  const change = (
    more: Partial<IntentChange['request']> = {},
    lock?: IntentChange['lock'],
    guard: () => void = () => {},
  ): Promise<void> =>
    writer.change({
      ...{ upstream: 'app', server: 's1', request: { ...REQUEST, ...more }, guard },
      ...(lock === undefined ? {} : { lock }),
    });
  return { saved, change };
}

async function scene(t: TestContext, others: string) {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  for (const id of others) await startGateway(t, registry, id);
  await a.gateways.look(1000);
  await a.gateways.until(
    () => a.gateways.elsewhere('app').every(({ isCurrent }) => isCurrent),
    1000,
  );
  t.mock.timers.enable({ apis: ['setTimeout'] });
  return { registry, a, ...writerOf(a) };
}

/** What comes of it when the registry does not answer, though nobody has noticed yet. */
async function unanswered(
  t: TestContext,
  a: TestGateway,
  start: () => Promise<void>,
  afterMs = 4000,
) {
  const release = a.store.hold();
  const change = start().catch((error: unknown) => error);
  await settled();
  t.mock.timers.tick(afterMs);
  const error = await change;
  assert.equal(a.gateways.isReachable, true);
  return { error, release };
}

test('a word that the registry does not take in time holds here, and is kept', async (t) => {
  const { a, saved, change } = await scene(t, 'b');
  const { error, release } = await unanswered(t, a, change);
  assert.equal(error, undefined);
  assert.deepEqual(
    saved.map(({ server, base }) => [server, base.state]),
    [['s1', 'ready']],
  );
  assert.equal(a.admins().get('s1')?.state, 'drain');
  release();
  await settled();
  assert.equal(a.gateways.intents.isPending('app'), false);
});

test('with a guard it is refused: what the others said last may be old', async (t) => {
  const { a, saved, change } = await scene(t, 'b');
  const { error, release } = await unanswered(t, a, () => change({ keepEligible: 0 }), 8500);
  assert(isSluiceError(error) && error.code === 'guard_refused');
  assert.match(
    error.message,
    /nobody knows which servers can be used on B.*; it may take the chang/,
  );
  assert.deepEqual(saved, []);
  release();
  await settled();
  assert.equal(a.admins().size, 0, 'what was refused is not done later');
});

test('with a guard it is waited for while a new leader is elected', async (t) => {
  const { a, saved, change } = await scene(t, 'b');
  const release = a.store.hold();
  const changed = change({ keepEligible: 0 });
  await settled();
  t.mock.timers.tick(8000);
  await settled();
  release();
  await changed;
  assert.deepEqual([a.admins().get('s1')?.state, saved], ['drain', []]);
});

test('that the registry does not answer is said before what the guard knows', async (t) => {
  const { a, change } = await scene(t, 'b');
  const guard = (): never => {
    throw new SluiceError('guard_refused', 'gateway B: it did not say what it sees');
  };
  a.store.isAway = true;
  await assert.rejects(change({ keepEligible: 0 }, undefined, guard), {
    message: /^upstream "app": the registry does not answer, so nobody knows.*"sluice gateways"$/,
  });
});

test('alone, the guard is asked although the registry does not answer', async (t) => {
  const { a, saved, change } = await scene(t, '');
  const guard = (): never => {
    throw new SluiceError('guard_refused', 'too few');
  };
  a.store.isAway = true;
  await assert.rejects(change({ keepEligible: 1 }, undefined, guard), /too few/);
  assert.deepEqual(saved, []);
});

test('a gateway that is alone may act with a guard', async (t) => {
  const { a, change } = await scene(t, '');
  const { error, release } = await unanswered(t, a, () => change({ keepEligible: 0 }));
  release();
  assert.equal(error, undefined);
  assert.equal(a.admins().get('s1')?.state, 'drain');
});

test('a drain that is said again is a new word, which all have to confirm anew', async (t) => {
  const { a, change } = await scene(t, 'b');
  let guarded = 0;
  const guard = (): void => {
    guarded += 1;
  };
  await change({ keepEligible: 1 }, undefined, guard);
  const first = { token: a.gateways.intents.token('app'), since: a.admins().get('s1')?.sinceMs };
  while (Date.now() === first.since) await settled();
  const again = change({ keepEligible: 1 }, undefined, guard);
  await settled();
  // Whether the other one has confirmed the first word by now is a matter of its rest.
  t.mock.timers.tick(2000);
  await again;
  assert.notEqual(a.gateways.intents.token('app'), first.token);
  assert.notEqual(a.admins().get('s1')?.sinceMs, first.since);
  assert.equal(guarded, 1, 'it was out already');
});

test('a drain that is said again while the registry is away is kept, a give-back of what is back is not', async (t) => {
  const { a, saved, change } = await scene(t, 'b');
  await change();
  a.store.isAway = true;
  await change({ keepEligible: 1 });
  assert.deepEqual(
    saved.map(({ admin, base }) => [admin.state, base.state]),
    [['drain', 'drain']],
  );
  a.store.isAway = false;
  await settled();
  await change({ state: 'ready' });
  a.store.isAway = true;
  await change({ state: 'ready' });
  assert.equal(saved.length, 1);
});

test('giving back is not guarded', async (t) => {
  const { a, saved, change } = await scene(t, 'b');
  await change();
  const { error, release } = await unanswered(t, a, () =>
    change({ state: 'ready', keepEligible: 5 }),
  );
  release();
  assert.equal(error, undefined);
  assert.deepEqual(
    saved.map(({ admin }) => admin.state),
    ['ready'],
  );
});

test('a runner that has lost its lock changes nothing, with the registry and without it', async (t) => {
  const { a, saved, change } = await scene(t, '');
  const lost = (): never => {
    throw new SluiceError('locked', 'lost');
  };
  const lock = { claim: async () => lost(), check: lost };
  await assert.rejects(change({}, lock), { code: 'locked' });
  const { error, release } = await unanswered(t, a, () =>
    change({}, { ...lock, claim: async () => [] }),
  );
  release();
  assert(isSluiceError(error) && error.code === 'locked');
  assert.deepEqual([saved, a.admins().size], [[], 0]);
});

test('a lock that is taken away between the look and the write is asked for again', async (t) => {
  const { registry, a, change } = await scene(t, '');
  registry.set('lock', 'mine');
  let looks = 0;
  const claim = async () => {
    const cas = registry.get('lock')?.modifyIndex ?? 0;
    looks += 1;
    if (looks === 1) registry.set('lock', 'still mine');
    return [{ key: 'lock', value: 'mine', cas }];
  };
  await change({}, { claim, check: () => {} });
  assert.equal(looks, 2);
  assert.equal(a.admins().get('s1')?.state, 'drain');
});
