import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import { DRAIN, MAINT } from '../../test/support/gateways/builders.ts';
import {
  MemoryRegistry,
  type MemoryStore,
  settled,
} from '../../test/support/gateways/memory-registry.ts';
import { isSluiceError } from '../base/errors.ts';
import { type Admin, READY } from '../model.ts';
import { parseIntents } from './documents.ts';
import { type Decide, Intents } from './intents.ts';
import type { Shared, SharedIntents } from './shared-state.ts';

const KEY = 'sluice/shared/intents/app';
const LATER: Admin = { ...DRAIN, owner: 'user:cleo', sinceMs: 9 };

type Scene = {
  readonly registry: MemoryRegistry;
  readonly store: MemoryStore;
  readonly intents: Intents;
  readonly lines: ReturnType<typeof recordingLog>['lines'];
  /** In force, each time that it was said. */
  readonly said: ReadonlyMap<string, Admin>[];
  readonly waited: () => number;
};

function scene(t: TestContext, registry = new MemoryRegistry()): Scene {
  const store = registry.client();
  const { log, lines } = recordingLog();
  const said: ReadonlyMap<string, Admin>[] = [];
  let waits = 0;
  const intents = new Intents({
    ...{ store, prefix: 'sluice/', name: 'A', log },
    onIntents: (_, __, admins) => said.push(admins),
    beside: async () => [],
    onWaiting: () => {
      waits += 1;
    },
  });
  t.after(() => intents.close());
  return { registry, store, intents, lines, said, waited: () => waits };
}

/** What the watch says of the registry at this moment. */
function look(registry: MemoryRegistry): Shared {
  const intents = new Map<string, SharedIntents>();
  const entry = registry.get(KEY);
  const document = entry && parseIntents(Buffer.from(entry.value).toString());
  if (entry && document) intents.set('app', { ...document, modifyIndex: entry.modifyIndex });
  return {
    ...{ gateways: new Map(), unreadable: new Set(), alive: new Set(), asks: new Map(), intents },
  };
}

/** A change of which nothing comes. */
function changeNothing({ intents }: Scene): Promise<void> {
  return intents.change(
    'app',
    () => ({ server: 's2', admin: undefined }),
    async () => [],
  );
}

function say({ intents }: Pick<Scene, 'intents'>, server: string, admin: Admin): Promise<void> {
  return intents.change(
    'app',
    () => ({ server, admin }),
    async () => [],
  );
}

function reconcile({ intents }: Scene): Promise<void> {
  return intents.reconcile();
}

function written(registry: MemoryRegistry): Record<string, string> {
  const document = parseIntents(registry.text(KEY) ?? '');
  return Object.fromEntries(
    [...(document?.servers ?? [])].map(([id, { admin }]) => [id, `${admin.state} ${admin.owner}`]),
  );
}

function states({ intents }: Scene): Record<string, string> {
  const out = [...intents.admins('app')].filter(([, { state }]) => state !== 'ready');
  return Object.fromEntries(out.map(([id, { state }]) => [id, state]));
}

/** Moves the monotonic clock, and the timers with it. */
function heldClock(t: TestContext): (ms: number) => void {
  let nowMs = 1_000_000;
  t.mock.method(performance, 'now', () => nowMs);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  return (ms) => {
    nowMs += ms;
    t.mock.timers.tick(ms);
  };
}

test('a change is written and in force when it resolves, with a token of its own', async (t) => {
  const one = scene(t);
  assert.equal(one.intents.token('app'), '');
  await say(one, 's1', DRAIN);
  const first = one.intents.token('app');
  assert.deepEqual(states(one), { s1: 'drain' });
  assert.equal(one.said.length, 1);
  await say(one, 's2', MAINT);
  assert.notEqual(one.intents.token('app'), first);
  await say(one, 's1', READY);
  assert.deepEqual(written(one.registry), { s2: 'maint user:bob' });
  assert.deepEqual(states(one), { s2: 'maint' });
});

test('changes through one gateway go one after the other, and a failed one is not in the way', async (t) => {
  const one = scene(t);
  const failed = one.intents.change(
    'app',
    () => {
      throw new Error('no');
    },
    async () => [],
  );
  const second = say(one, 's1', DRAIN);
  const third = say(one, 's2', DRAIN);
  await assert.rejects(failed, /no/);
  await Promise.all([second, third]);
  assert.deepEqual(states(one), { s1: 'drain', s2: 'drain' });
});

test('nothing is written when nothing is to be changed', async (t) => {
  const one = scene(t);
  await one.intents.change(
    'app',
    () => ({ server: 's1', admin: undefined }),
    async () => [],
  );
  assert.deepEqual(one.registry.keys(), []);
  assert.equal(one.said.length, 0);
});

test('whoever loses a race decides again on what the other wrote', async (t) => {
  const one = scene(t);
  const two = scene(t, one.registry);
  await say(one, 's1', DRAIN);
  two.intents.take(look(one.registry));
  await say(one, 's2', DRAIN);
  // The second gateway has not heard of s2 yet.
  const decided: string[][] = [];
  const decide: Decide = (admins) => {
    decided.push([...admins.keys()]);
    return { server: 's3', admin: MAINT };
  };
  let asked = 0;
  await two.intents.change('app', decide, async () => {
    asked += 1;
    return [];
  });
  assert.deepEqual(decided, [['s1'], ['s1', 's2']]);
  assert.equal(asked, 2, 'what is written beside is asked for again');
  assert.deepEqual(Object.keys(written(one.registry)), ['s1', 's2', 's3']);
});

test('it gives up after ten lost races', async (t) => {
  const one = scene(t);
  let tries = 0;
  const lost = one.intents.change(
    'app',
    () => ({ server: 's1', admin: DRAIN }),
    async () => {
      tries += 1;
      one.registry.set(KEY, '{"token":"x","servers":{}}');
      return [];
    },
  );
  await assert.rejects(lost, (error) => isSluiceError(error) && error.code === 'conflict');
  assert.equal(tries, 10);
});

test('a record that cannot be read is not written over by one who never could', async (t) => {
  const one = scene(t);
  one.registry.set(KEY, '{"token":');
  await assert.rejects(say(one, 's1', DRAIN), /record sluice\/shared\/intents\/app: is not what/);
  assert.equal(one.registry.text(KEY), '{"token":');
  assert.deepEqual(states(one), {});
});

test('a state that was read before our own write does not undo it', async (t) => {
  const tick = heldClock(t);
  const one = scene(t);
  await say(one, 's1', DRAIN);
  one.intents.take(look(one.registry));
  const before = look(one.registry);
  await say(one, 's1', READY);
  one.intents.take(before);
  tick(4999);
  await changeNothing(one);
  assert.deepEqual(states(one), {});
  assert.equal(one.waited(), 0);
  one.intents.take(look(one.registry));
  assert.deepEqual(states(one), {});
});

test('what the watch had seen before our own write does not undo it however late', async (t) => {
  const tick = heldClock(t);
  const one = scene(t);
  await say(one, 's1', DRAIN);
  one.intents.take(look(one.registry));
  await say(one, 's1', READY);
  tick(60_000);
  await changeNothing(one);
  assert.deepEqual(states(one), {});
  assert.equal(one.waited(), 0);
  assert.equal(one.lines.length, 0);
});

test('what the watch saw while a change failed is taken then', async (t) => {
  const one = scene(t);
  await say(one, 's1', DRAIN);
  one.intents.take(look(one.registry));
  const { promise, reject } = Promise.withResolvers<never>();
  const change = one.intents.change(
    'app',
    () => ({ server: 's2', admin: DRAIN }),
    () => promise,
  );
  const failed = assert.rejects(change, /no/);
  await settled();
  const two = scene(t, one.registry);
  await say(two, 's3', MAINT);
  one.intents.take(look(one.registry));
  assert.deepEqual(states(one), { s1: 'drain' });
  reject(new Error('no'));
  await failed;
  assert.deepEqual(states(one), { s1: 'drain', s3: 'maint' });
});

test('a change finds that the record has vanished before the watch does', async (t) => {
  const one = scene(t);
  await say(one, 's1', DRAIN);
  one.registry.remove(KEY);
  await say(one, 's2', MAINT);
  assert.deepEqual(states(one), { s1: 'drain', s2: 'maint' });
  await reconcile(one);
  assert.deepEqual(Object.keys(written(one.registry)).sort(), ['s1', 's2']);
});

test('what was read of the registry is not undone by what the watch had seen before', async (t) => {
  const one = scene(t);
  const two = scene(t, one.registry);
  await say(one, 's1', DRAIN);
  two.intents.take(look(one.registry));
  await say(one, 's2', DRAIN);
  // It loses the race, reads, and finds that nothing is to be done.
  let tries = 0;
  await two.intents.change(
    'app',
    () => ({ server: 's2', admin: ++tries === 1 ? DRAIN : undefined }),
    async () => [],
  );
  assert.deepEqual(states(two), { s1: 'drain', s2: 'drain' });
});

test('intents that another gateway wrote are taken, and said once', async (t) => {
  const one = scene(t);
  const two = scene(t, one.registry);
  await say(one, 's1', DRAIN);
  two.intents.take(look(one.registry));
  assert.deepEqual(two.said, [new Map([['s1', DRAIN]])]);
  two.intents.take(look(one.registry));
  assert.equal(two.said.length, 1);
  assert.equal(two.intents.token('app'), one.intents.token('app'));
});

test('while a write is on its way, the watch is not believed; then it is', async (t) => {
  const one = scene(t);
  const two = scene(t, one.registry);
  await say(two, 's9', DRAIN);
  const release = one.store.hold();
  const change = say(one, 's1', DRAIN);
  await settled();
  one.intents.take(look(one.registry));
  assert.deepEqual(states(one), {});
  release();
  await change;
  assert.deepEqual(states(one), { s9: 'drain', s1: 'drain' });
  await say(two, 's2', MAINT);
  one.intents.take(look(one.registry));
  assert.deepEqual(states(one), { s9: 'drain', s1: 'drain', s2: 'maint' });
});

test('a record that vanishes gives no server back: it is written again', async (t) => {
  const tick = heldClock(t);
  const one = scene(t);
  await say(one, 's1', DRAIN);
  tick(6000);
  one.registry.remove(KEY);
  one.intents.take(look(one.registry));
  assert.deepEqual(states(one), { s1: 'drain' });
  assert.equal(one.intents.token('app'), '');
  assert.equal(one.waited(), 1);
  assert.match(one.lines.at(-1)?.message ?? '', /intents vanished/);
  one.intents.take(look(one.registry));
  assert.equal(one.lines.length, 1, 'said once');
  await reconcile(one);
  assert.deepEqual(written(one.registry), { s1: 'drain user:ann' });
  assert.deepEqual(one.intents.pending, []);
});

test('one that vanishes right after a write is missed after a while', async (t) => {
  const tick = heldClock(t);
  const one = scene(t);
  await say(one, 's1', DRAIN);
  one.registry.remove(KEY);
  one.intents.take(look(one.registry));
  one.intents.take(look(one.registry));
  assert.equal(one.waited(), 0, 'it may have been read before the write');
  tick(5000);
  assert.equal(one.waited(), 1);
  assert.deepEqual(states(one), { s1: 'drain' });
  // And once more.
  await reconcile(one);
  one.registry.remove(KEY);
  one.intents.take(look(one.registry));
  tick(5000);
  assert.equal(one.waited(), 2);
});

test('an empty record that vanishes leaves nothing to write', async (t) => {
  const tick = heldClock(t);
  const one = scene(t);
  await say(one, 's1', DRAIN);
  await say(one, 's1', READY);
  tick(6000);
  one.registry.remove(KEY);
  one.intents.take(look(one.registry));
  assert.equal(one.waited(), 0);
  assert.equal(one.intents.token('app'), '');
  assert.deepEqual(one.said.at(-1), new Map());
  assert.equal(one.lines.length, 0);
});

test('a registry that went back to an older state gets the newer words again', async (t) => {
  const tick = heldClock(t);
  const one = scene(t);
  const two = scene(t, one.registry);
  await say(one, 's1', DRAIN);
  await say(one, 's3', MAINT);
  const kept = one.registry.keep();
  await say(one, 's1', READY);
  await say(one, 's2', MAINT);
  one.intents.take(look(one.registry));
  two.intents.take(look(one.registry));
  tick(6000);
  one.registry.restore(kept);
  for (const each of [one, two]) {
    each.intents.take(look(one.registry));
    assert.deepEqual(states(each), { s3: 'maint', s2: 'maint' });
    assert.equal(each.intents.isPending('app'), true);
    assert.match(each.lines.at(-1)?.message ?? '', /older than known/);
  }
  await reconcile(one);
  two.intents.take(look(one.registry));
  await reconcile(two);
  assert.deepEqual(written(one.registry), { s3: 'maint user:bob', s2: 'maint user:bob' });
  assert.equal(two.lines.length, 1, 'nobody disagrees');
});

test('what an earlier run knew holds until the registry says otherwise', async (t) => {
  const one = scene(t);
  one.intents.remember('app', new Map([['s1', DRAIN]]));
  assert.deepEqual(states(one), { s1: 'drain' });
  one.registry.set(KEY, '{"token":"t","servers":{}}');
  one.intents.take(look(one.registry));
  assert.deepEqual(states(one), {});
  assert.deepEqual(one.intents.pending, []);
});

test('what an earlier run knew is not written over what the registry has', async (t) => {
  const one = scene(t);
  const two = scene(t, one.registry);
  await say(two, 's9', DRAIN);
  one.intents.remember('app', new Map([['s1', DRAIN]]));
  await say(one, 's2', DRAIN);
  assert.deepEqual(Object.keys(written(one.registry)), ['s9', 's2']);
});

test('a word that waits is in force at once, a give-back not before it is released', async (t) => {
  const one = scene(t);
  await say(one, 's2', DRAIN);
  assert.equal(one.intents.isPending('app'), false);
  one.intents.keep('app', 's1', DRAIN);
  one.intents.keep('app', 's2', READY);
  assert.equal(one.intents.isPending('app'), true);
  assert.deepEqual(states(one), { s1: 'drain', s2: 'drain' });
  assert.deepEqual(
    [one.intents.isHeld('app', 's2'), one.intents.isHeld('app', 's1')],
    [true, false],
  );
  one.intents.release(one.intents.held);
  assert.deepEqual(states(one), { s1: 'drain' });
  assert.equal(one.intents.isHeld('app', 's2'), false);
  // That it is given back is said: its record may still repeat the drain.
  assert.deepEqual(
    one.said.at(-1),
    new Map([
      ['s2', READY],
      ['s1', DRAIN],
    ]),
  );
  await reconcile(one);
  assert.deepEqual(written(one.registry), { s1: 'drain user:ann' });
  assert.equal(one.intents.isPending('app'), false);
  assert.deepEqual(states(one), { s1: 'drain' });
  assert.equal(one.lines.length, 0);
});

test('a word that was said again while it waited goes over the base of the first', async (t) => {
  const one = scene(t);
  one.intents.keep('app', 's1', DRAIN);
  one.intents.keep('app', 's1', MAINT);
  one.intents.keep('app', 's1', READY);
  // The registry never had it out, so nobody goes by that.
  assert.deepEqual(one.intents.pending, [
    { upstream: 'app', server: 's1', admin: READY, base: READY },
  ]);
  assert.deepEqual(states(one), {});
  // The first had arrived after all.
  await say(scene(t, one.registry), 's1', DRAIN);
  await reconcile(one);
  assert.deepEqual(written(one.registry), {});
  assert.equal(one.lines.length, 0);
});

test('a drain that is said again elsewhere holds over a give-back that waited', async (t) => {
  const one = scene(t);
  await say(one, 's1', DRAIN);
  one.intents.keep('app', 's1', READY);
  one.intents.release(one.intents.held);
  await say(scene(t, one.registry), 's1', { ...DRAIN, sinceMs: DRAIN.sinceMs + 1 });
  await reconcile(one);
  assert.deepEqual(written(one.registry), { s1: 'drain user:ann' });
  assert.deepEqual(states(one), { s1: 'drain' });
});

test('a give-back that is held back is written as any other word', async (t) => {
  const one = scene(t);
  await say(one, 's1', DRAIN);
  one.intents.keep('app', 's1', READY);
  await reconcile(one);
  assert.deepEqual([written(one.registry), states(one)], [{}, {}]);
  assert.equal(one.intents.isHeld('app', 's1'), false);
});

test('words of an outage that is over are no longer ours', async (t) => {
  const one = scene(t);
  one.intents.keep('app', 's1', DRAIN);
  one.intents.keep('app', 's1', MAINT);
  await reconcile(one);
  one.intents.keep('app', 's1', READY);
  // Another person says what was said here once.
  const two = scene(t, one.registry);
  await say(two, 's1', DRAIN);
  await reconcile(one);
  assert.deepEqual(written(one.registry), { s1: 'drain user:ann' });
});

test('where two gateways disagreed, the stricter word holds, and it is said', async (t) => {
  for (const [here, there, kept] of [
    [DRAIN, MAINT, 'maint user:bob'],
    [MAINT, DRAIN, 'maint user:bob'],
    [READY, MAINT, 'maint user:bob'],
    [DRAIN, LATER, 'drain user:cleo'],
    [DRAIN, { ...DRAIN, sinceMs: 5 }, 'drain user:ann'],
    [DRAIN, { ...MAINT, sinceMs: DRAIN.sinceMs }, 'maint user:bob'],
  ] as const) {
    const one = scene(t);
    one.intents.keep('app', 's1', here, here === READY ? DRAIN : READY);
    await say(scene(t, one.registry), 's1', there);
    await reconcile(one);
    assert.deepEqual(written(one.registry), { s1: kept });
    assert.match(one.lines.at(-1)?.message ?? '', /two gateways disagreed/);
    assert.deepEqual(one.intents.pending, []);
    assert.deepEqual(states(one), { s1: kept.split(' ')[0] });
    assert.deepEqual(one.said.at(-1), one.intents.admins('app'));
  }
});

test('two gateways that kept the same word do not disagree', async (t) => {
  const one = scene(t);
  const two = scene(t, one.registry);
  for (const each of [one, two]) each.intents.keep('app', 's1', DRAIN);
  await reconcile(one);
  const token = one.registry.text(KEY);
  await reconcile(two);
  assert.equal(one.registry.text(KEY), token, 'written once');
  assert.equal(two.lines.length, 0);
  assert.deepEqual(states(two), { s1: 'drain' });
});

test('a word that waited is not written after a newer one has been', async (t) => {
  const one = scene(t);
  one.intents.keep('app', 's1', DRAIN);
  // The person's change is in the queue before the word of the outage.
  const back = say(one, 's1', READY);
  await Promise.all([back, reconcile(one)]);
  assert.deepEqual(written(one.registry), {});
  assert.deepEqual(states(one), {});
});

test('a word that comes while another is being written waits for its turn', async (t) => {
  const one = scene(t);
  one.intents.keep('app', 's1', DRAIN);
  const release = one.store.hold();
  const first = reconcile(one);
  await settled();
  one.intents.keep('app', 's1', MAINT);
  release();
  await first;
  assert.deepEqual(states(one), { s1: 'maint' });
  assert.equal(one.intents.isPending('app'), true);
  await reconcile(one);
  assert.deepEqual(written(one.registry), { s1: 'maint user:bob' });
});

test('that a word could not be written is said once, until it could', async (t) => {
  const one = scene(t);
  one.store.failQuietly(true);
  one.intents.keep('app', 's1', DRAIN);
  await reconcile(one);
  await reconcile(one);
  assert.deepEqual(
    one.lines.map(({ message }) => message),
    ['intent is not in the registry yet, only this gateway knows it'],
  );
  assert.equal(one.intents.isPending('app'), true);
  one.store.failQuietly(false);
  await reconcile(one);
  one.store.failQuietly(true);
  one.intents.keep('app', 's1', READY);
  await reconcile(one);
  assert.equal(one.lines.length, 2);
});
