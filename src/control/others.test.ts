import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  DRAIN,
  openGateway,
  say,
  startGateway,
  type TestGateway,
} from '../../test/support/gateways/builders.ts';
import { MemoryRegistry, settled } from '../../test/support/gateways/memory-registry.ts';
import type { ServerView, ViewDocument } from '../gateways.ts';
import { type Admin, READY } from '../model.ts';
import { Others } from './others.ts';

const DOWN: Admin = { state: 'maint', owner: 'kv', reason: '', sinceMs: 1 };
const AWAY = 'others that follow the Consul';

type Scene = {
  readonly registry: MemoryRegistry;
  readonly a: TestGateway;
  readonly b: TestGateway;
  readonly others: Others;
  /** What b says that it sees. */
  readonly see: (out: Record<string, Partial<ServerView>>, capacity?: number) => Promise<void>;
};

/** Gateway a, to which we listen, and b; a's look at what b sees is here. */
async function scene(t: TestContext, sharedRegistry = 'the Consul'): Promise<Scene> {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  let view: Omit<ViewDocument, 'token'> = { capacity: 2, out: new Map() };
  const b = openGateway(t, registry, 'b', {
    view: (upstream) => ({ token: b.gateways.intents.token(upstream), ...view }),
  });
  await b.gateways.first(1000);
  await b.gateways.join(1000);
  await a.gateways.look(1000);
  const others = new Others({ gateways: a.gateways, name: 'A', sharedRegistry });
  const counts = { inFlight: 0, tunnels: 0, streams: 0 };
  const idle = { eligibility: 'drain', ...counts, idle: true, index: 0 } as const;
  const see: Scene['see'] = async (out, capacity = 2) => {
    const entries = Object.entries(out).map(([id, some]) => [id, { ...idle, ...some }] as const);
    view = { capacity, out: new Map(entries) };
    b.gateways.note();
    await a.gateways.until(() => {
      const seen = a.gateways.elsewhere('app')[0]?.view;
      return seen?.capacity === capacity && seen.out.size === entries.length;
    }, 1000);
    await settled();
  };
  return { registry, a, b, others, see };
}

async function drained(found: Scene): Promise<void> {
  await say(found.a, 's1', DRAIN);
  await found.a.gateways.until(
    () => found.a.gateways.elsewhere('app').every(({ isCurrent }) => isCurrent),
    1000,
  );
}

test('a drain is over elsewhere when it is in force there and nothing is in flight', async (t) => {
  const found = await scene(t);
  const { others, see } = found;
  await drained(found);
  await see({ s1: { inFlight: 2, tunnels: 1, streams: 1, idle: false } }, 1);
  assert.deepEqual(others.drain('app', 's1', DRAIN, 0), {
    ...{ acknowledged: true, idle: false, inFlight: 2, tunnels: 1, streams: 1 },
    scope: { gateway: 'A', heard: ['B'], unheard: [] },
  });
  await see({ s1: {} }, 3);
  const { acknowledged, idle } = others.drain('app', 's1', DRAIN, 0);
  assert.deepEqual([acknowledged, idle], [true, true]);
  // One that does not have the server sends it nothing.
  await see({}, 4);
  assert.equal(others.drain('app', 's1', DRAIN, 0).idle, true);
  assert.equal(others.drain('web', 's1', DRAIN, 0).scope.heard.length, 0);
});

test('a drain that another gateway has not confirmed is not over, and that one is named', async (t) => {
  const found = await scene(t);
  await found.see({ s1: {} }, 1);
  found.b.store.isDeaf = true;
  await say(found.a, 's1', DRAIN);
  const { acknowledged, idle, scope } = found.others.drain('app', 's1', DRAIN, 0);
  assert.deepEqual([acknowledged, idle], [false, false]);
  assert.deepEqual(scope.unheard, ['B (has not confirmed it)']);
});

test('what only the record says is confirmed by a view that is as far as the record', async (t) => {
  const { others, see } = await scene(t);
  await see({}, 1);
  assert.equal(others.drain('app', 's1', DOWN, 7).acknowledged, false, 'it is not out there');
  await see({ s1: { index: 6 } }, 3);
  const { acknowledged, idle, scope } = others.drain('app', 's1', DOWN, 7);
  assert.deepEqual([acknowledged, idle], [false, false], 'it was out there before');
  assert.deepEqual(scope.unheard, ['B (has not confirmed it)']);
  await see({ s1: { index: 7 } }, 4);
  assert.equal(others.drain('app', 's1', DOWN, 7).idle, true);
  assert.equal(others.drain('app', 's1', READY, 9).acknowledged, true);
});

test('a silent gateway is named and not waited for', async (t) => {
  const found = await scene(t);
  await drained(found);
  await found.see({ s1: { inFlight: 2, idle: false } }, 1);
  found.b.store.failQuietly(true);
  found.b.store.loseLeases();
  await settled();
  const { acknowledged, idle, inFlight, scope } = found.others.drain('app', 's1', DRAIN, 0);
  assert.deepEqual([acknowledged, idle, inFlight], [true, true, 0]);
  assert.match(scope.unheard.join(), /^B \(silent since \d\d:\d\d:\d\dZ\)$/);
  assert.deepEqual(found.others.capacities('app'), []);
  assert.deepEqual(found.others.servers('app')('s1', DRAIN).outElsewhere, []);
});

test('while the registry is away nothing is said of others but that', async (t) => {
  const found = await scene(t);
  await drained(found);
  found.a.store.isAway = true;
  const { acknowledged, idle, scope } = found.others.drain('app', 's1', DRAIN, 0);
  assert.deepEqual([acknowledged, idle], [true, true]);
  assert.deepEqual(scope, { gateway: 'A', heard: [], unheard: ['B (the registry is away)', AWAY] });
  assert.deepEqual(found.others.scope, scope);
  assert.deepEqual(found.others.unheardBecause('it hangs'), scope.unheard);
  assert.deepEqual(
    found.others.capacities('app').map(({ isKnown }) => isKnown),
    [false],
  );
});

test('who could not be asked is named with the reason, and those who are not known', async (t) => {
  const { others } = await scene(t);
  assert.deepEqual(others.unheardBecause('it hangs'), ['B (it hangs)', AWAY]);
  const own = await scene(t, '');
  assert.deepEqual(own.others.unheardBecause('it hangs'), ['B (it hangs)']);
});

test('without a registry that keeps gateways nobody can say who else is there', () => {
  const name = 'A';
  const apart = new Others({ gateways: undefined, name, sharedRegistry: 'the file' });
  assert.deepEqual(apart.scope.unheard, ['others that follow the file']);
  const alone = new Others({ gateways: undefined, name, sharedRegistry: '' });
  assert.deepEqual(alone.scope.unheard, []);
  assert.deepEqual([alone.documents(1), alone.capacities('app')], [[], []]);
  assert.equal(alone.drain('app', 's1', DRAIN, 0).idle, true);
});

test('the guard hears which servers count elsewhere, and who did not say so lately', async (t) => {
  const found = await scene(t);
  await found.see({ s1: {}, s2: { eligibility: 'full' } }, 5);
  const [before] = found.others.capacities('app');
  assert.deepEqual([before?.gateway, before?.isKnown, before?.capacity], ['B', true, 5]);
  assert.deepEqual(
    ['s1', 's2', 's3'].map((id) => before?.counts(id)),
    [false, true, true],
  );
  assert.deepEqual(found.others.servers('app')('s1', DRAIN).outElsewhere, [
    { gateway: 'B', eligibility: 'drain' },
  ]);
  assert.deepEqual(found.others.servers('app')('s3', DRAIN).outElsewhere, []);
  found.b.store.isDeaf = true;
  await say(found.a, 's1', DRAIN);
  assert.equal(found.others.capacities('app')[0]?.isKnown, false);
  const current = found.others.untilCurrent('app', 60_000);
  found.b.store.isDeaf = false;
  await current;
  assert.equal(found.others.capacities('app')[0]?.isKnown, true);
});

test('a status shows each of them, how far it is, and whether it agrees', async (t) => {
  const found = await scene(t);
  await found.see({ s1: {} }, 1);
  await found.a.gateways.until(() => found.a.gateways.appliedBy('b') !== undefined, 2000);
  const [document] = found.others.documents(1);
  assert.deepEqual(
    [document?.name, document?.state, document?.generation, document?.index, document?.current],
    ['B', 'live', 1, 1, true],
  );
  const lag = (ownIndex: number, nowMs: number) =>
    found.others.documents(ownIndex, nowMs)[0]?.lagMs;
  assert.deepEqual([lag(1, 1000), lag(2, 2000), lag(2, 2500), lag(1, 3000)], [0, 0, 500, 0]);
  found.b.store.isDeaf = true;
  await say(found.a, 's1', DRAIN);
  assert.deepEqual([lag(1, 4000), lag(1, 4700)], [0, 700]);
  assert.equal(found.others.documents(1)[0]?.current, false);
  found.b.store.isDeaf = false;
  await found.a.gateways.until(() => found.others.documents(1)[0]?.current === true, 1000);
  assert.equal(lag(1, 5000), 0);
  found.b.store.failQuietly(true);
  found.b.store.loseLeases();
  await settled();
  assert.equal(found.others.documents(1)[0]?.current, false);
  assert.equal(lag(9, 6000), 0, 'of a silent one nothing is known');
});
