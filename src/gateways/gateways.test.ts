import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DRAIN, openGateway, say, startGateway } from '../../test/support/gateways/builders.ts';
import { MemoryRegistry, settled } from '../../test/support/gateways/memory-registry.ts';
import { SluiceError } from '../base/errors.ts';
import { READY } from '../model.ts';

const INTENTS = 'sluice/shared/intents/app';

test('a drain is confirmed by a view that has its token, and by no older one', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  await a.gateways.look(1000);
  await settled();
  b.store.isDeaf = true;
  await say(a, 's1', DRAIN);
  await settled();
  assert.deepEqual(
    a.gateways.elsewhere('app').map(({ isCurrent }) => isCurrent),
    [false],
  );
  b.store.isDeaf = false;
  await a.gateways.until(
    () => a.gateways.elsewhere('app').every(({ isCurrent }) => isCurrent),
    1000,
  );
  assert.deepEqual(
    a.gateways.elsewhere('app').map(({ isCurrent }) => isCurrent),
    [true],
  );
  assert.deepEqual(b.admins(), new Map([['s1', DRAIN]]));
  assert.deepEqual(a.gateways.elsewhere('web'), []);
});

test('a word that waits for the registry is confirmed by nobody, and written when it is back', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  await startGateway(t, registry, 'b');
  await a.gateways.look(1000);
  a.store.isAway = true;
  assert.equal(a.gateways.isReachable, false);
  a.gateways.keep({ upstream: 'app', server: 's1', admin: DRAIN });
  await settled();
  assert.deepEqual(
    a.gateways.elsewhere('app').map(({ isCurrent }) => isCurrent),
    [false],
  );
  assert.deepEqual(a.admins(), new Map([['s1', DRAIN]]));
  a.store.isAway = false;
  await settled();
  assert.match(registry.text(INTENTS) ?? '', /"s1"/);
  assert.equal(a.gateways.isReachable, true);
});

/** Time goes on until it is so. How long a gateway rests is measured by the real clock. */
async function ticks(t: TestContext, isSo: () => boolean): Promise<void> {
  for (let tick = 0; tick < 100 && !isSo(); tick += 1) {
    t.mock.timers.tick(100);
    await settled();
  }
  assert(isSo());
}

/** Both see `s1` drained and idle; then the first is cut off. */
async function drainedOnBoth(t: TestContext) {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  await b.gateways.look(1000);
  a.out.add('s1');
  await say(b, 's1', DRAIN);
  const isConfirmed = (): boolean =>
    b.gateways.elsewhere('app').every(({ isCurrent, view }) => isCurrent && view?.out.has('s1'));
  await b.gateways.until(isConfirmed, 1000);
  assert(isConfirmed());
  t.mock.timers.enable({ apis: ['setTimeout'] });
  return { registry, a, b, isConfirmed };
}

test('a server that is given back while the registry is away stays out until the lease is over', async (t) => {
  const { a, isConfirmed } = await drainedOnBoth(t);
  a.store.isAway = true;
  a.gateways.keep({ upstream: 'app', server: 's1', admin: READY });
  await settled();
  assert.equal(isConfirmed(), true, 'the other one goes by what it knows');
  t.mock.timers.tick(19_000);
  await settled();
  assert.deepEqual([a.admins().get('s1'), a.gateways.intents.isHeld('app', 's1')], [DRAIN, true]);
  t.mock.timers.tick(2000);
  await settled();
  assert.equal(a.admins().get('s1'), READY);
});

test('where the registry takes no words but ends the lease, a given back server is back at once', async (t) => {
  const { registry, a, b, isConfirmed } = await drainedOnBoth(t);
  const commit = a.store.commit.bind(a.store);
  a.store.commit = async () => {
    throw new SluiceError('registry_unreachable', 'no');
  };
  a.gateways.keep({ upstream: 'app', server: 's1', admin: READY });
  await settled();
  assert.equal(a.admins().get('s1'), READY);
  assert.deepEqual(registry.keys('sluice/seen/views/a/'), []);
  // It is live again before its word is written, and does not say that it has the drain in force.
  await ticks(t, () => b.gateways.elsewhere('app')[0]?.view?.token === '');
  assert.equal(b.gateways.others[0]?.state, 'live');
  assert.equal(isConfirmed(), false);
  a.store.commit = commit;
  await ticks(t, () => b.gateways.elsewhere('app')[0]?.isCurrent === true);
  assert.deepEqual(b.admins(), new Map());
});

test('one that nobody has heard of gives back at once', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  await say(a, 's1', DRAIN);
  a.store.isAway = true;
  a.gateways.keep({ upstream: 'app', server: 's1', admin: READY });
  await settled();
  assert.equal(a.admins().get('s1'), READY);
});

test('what an earlier run gave back stays out until its lease is surely over', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const a = openGateway(t, new MemoryRegistry(), 'a');
  a.store.isAway = true;
  a.gateways.remember('app', new Map([['s2', DRAIN]]));
  a.gateways.keep({ upstream: 'app', server: 's1', admin: READY, base: DRAIN });
  // Of this run, over what was remembered.
  a.gateways.keep({ upstream: 'app', server: 's2', admin: READY });
  await settled();
  t.mock.timers.tick(19_000);
  await settled();
  const held = (): boolean[] => ['s1', 's2'].map((id) => a.gateways.intents.isHeld('app', id));
  assert.deepEqual(held(), [true, true]);
  t.mock.timers.tick(2000);
  await settled();
  assert.deepEqual(held(), [false, false]);
});

test('the end of an earlier wait gives nothing back that is held for a later lease', async (t) => {
  const { a, b, isConfirmed } = await drainedOnBoth(t);
  await say(b, 's2', DRAIN);
  await settled();
  const turn = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await settled();
  };
  a.store.isAway = true;
  a.gateways.keep({ upstream: 'app', server: 's1', admin: READY });
  await settled();
  await turn(5000);
  a.store.isAway = false;
  const views = (): number => a.store.asked.filter((what) => /^put .*\/views\//.test(what)).length;
  const before = views();
  await ticks(t, () => isConfirmed() && views() > before);
  assert.deepEqual([...a.admins()], [['s2', DRAIN]]);
  a.store.isAway = true;
  a.gateways.keep({ upstream: 'app', server: 's2', admin: READY });
  await settled();
  await turn(19_000);
  assert.equal(a.gateways.intents.isHeld('app', 's2'), true);
  await turn(2000);
  assert.equal(a.gateways.intents.isHeld('app', 's2'), false);
});

test('after the registry was away a drain is confirmed anew: its leases may have outlived it', async (t) => {
  const { registry, a, b, isConfirmed } = await drainedOnBoth(t);
  a.store.isAway = true;
  b.store.isAway = true;
  a.gateways.keep({ upstream: 'app', server: 's1', admin: READY });
  await settled();
  t.mock.timers.tick(21_000);
  await settled();
  assert.equal(a.admins().get('s1'), READY);
  assert(registry.keys('sluice/seen/views/a/').length > 0, 'time stood still there');
  b.store.isAway = false;
  assert.equal(isConfirmed(), false);
  await settled();
  assert.equal(isConfirmed(), false);
  a.store.isAway = false;
  await settled();
  assert.deepEqual(b.admins(), new Map());
});

test('one that meets the registry does not go by what others confirmed before', async (t) => {
  const { registry, a } = await drainedOnBoth(t);
  const token = (): unknown => registry.text(INTENTS);
  const first = token();
  // Its lease holds for longer than it counts on.
  a.store.isAway = true;
  const c = openGateway(t, registry, 'c');
  await c.gateways.first(1000);
  await c.gateways.look(1000);
  const ofA = () => c.gateways.elsewhere('app').find(({ gateway }) => gateway.id === 'a');
  assert.deepEqual([ofA()?.gateway.state, ofA()?.view?.out.has('s1')], ['live', true]);
  assert.equal(ofA()?.isCurrent, false);
  await settled();
  assert.notEqual(token(), first);
  assert.equal(ofA()?.isCurrent, false);
  a.store.isAway = false;
  await ticks(t, () => ofA()?.isCurrent === true);
});

test('a doubt lasts until the registry has another token, whoever wrote it', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  await say(a, 's1', DRAIN);
  await settled();
  const first = registry.text(INTENTS) ?? '';
  const commit = a.store.commit.bind(a.store);
  let commits = 0;
  a.store.commit = async (writes) => {
    commits += 1;
    // The first one loses: somebody wrote the same document again.
    if (commits === 1) registry.set(INTENTS, first);
    return commit(writes);
  };
  a.store.isAway = true;
  a.store.isAway = false;
  await settled();
  assert.equal(commits, 2);
  assert.notEqual(registry.text(INTENTS), first);
  assert.deepEqual(a.admins(), b.admins());
  // Another's word makes one's own needless.
  a.store.isAway = true;
  await say(b, 's2', DRAIN);
  a.store.isAway = false;
  await settled();
  assert.deepEqual([commits, [...a.admins().keys()]], [2, ['s1', 's2']]);
});

test('a word that could not be written is tried again without any event', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  a.store.failQuietly(true);
  a.gateways.keep({ upstream: 'app', server: 's1', admin: DRAIN });
  await settled();
  a.store.failQuietly(false);
  t.mock.timers.tick(2000);
  await settled();
  assert.match(registry.text(INTENTS) ?? '', /"s1"/);
});

test('before the registry has answered nothing can be said of others, and nothing is written', async (t) => {
  const registry = new MemoryRegistry();
  const a = openGateway(t, registry, 'a');
  a.store.isDeaf = true;
  await a.gateways.first(0);
  assert.equal(a.gateways.isReachable, false);
  a.gateways.intents.keep('app', 's1', DRAIN, READY);
  await settled();
  assert.deepEqual(a.store.asked, []);
  a.store.isDeaf = false;
  await settled();
  assert.equal(a.gateways.isReachable, true);
  assert.match(registry.text(INTENTS) ?? '', /"s1"/);
});

test('intents that vanish are written again by whoever knows them', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  await say(a, 's1', DRAIN);
  await settled();
  registry.remove('sluice/');
  await settled();
  assert.match(registry.text(INTENTS) ?? '', /"s1"/);
  assert.deepEqual([a.admins(), b.admins()], [new Map([['s1', DRAIN]]), new Map([['s1', DRAIN]])]);
  assert.deepEqual(
    registry.keys('sluice/shared/').map((key) => key.slice(14)),
    ['alive/a', 'alive/b', 'gateways/a', 'gateways/b', 'intents/app'],
  );
});

test('intents that cannot be read leave the last ones in force, and the next word mends them', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  await say(a, 's1', DRAIN);
  await settled();
  registry.set(INTENTS, '{"token":1}');
  registry.set('sluice/other', 'x');
  await settled();
  for (const { admins, lines } of [a, b]) {
    assert.deepEqual(admins(), new Map([['s1', DRAIN]]));
    const said = lines.filter(({ message }) => /cannot be read/.test(message));
    assert.equal(said.length, 1);
  }
  await say(b, 's2', DRAIN);
  await settled();
  assert.deepEqual([...a.admins().keys()], ['s1', 's2']);
});

test('a gateway whose record cannot be read is still there, and writes it again', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  b.store.isDeaf = true;
  registry.set('sluice/shared/gateways/b', '[]');
  await settled();
  assert.deepEqual(
    a.gateways.others.map(({ name, state }) => `${name} ${state}`),
    ['B live'],
  );
  b.store.isDeaf = false;
  await settled();
  assert.match(registry.text('sluice/shared/gateways/b') ?? '', /"name":"B"/);
});

test('a question for counts that cannot be read stays asked', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  a.gateways.receipts.open('r');
  await a.gateways.look(1000);
  await a.gateways.receipts.ask('r', 'app', 1000);
  registry.set('sluice/shared/receipts/r', 'x');
  await settled();
  assert.notEqual(b.gateways.receipts.find('r'), undefined);
  b.counted = 4;
  const [counts] = await a.gateways.receipts.ask('r', 'app', 1000);
  assert.equal(counts?.state, 'answered');
});

test('what each gateway sees is followed while somebody waits for it, and not longer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  await startGateway(t, registry, 'b');
  await a.gateways.look(1000);
  await settled();
  t.mock.timers.tick(0);
  await settled();
  const isSeen = (): boolean => a.gateways.elsewhere('app')[0]?.view !== undefined;
  assert.equal(isSeen(), true);
  const unwatch = a.gateways.watch(() => {});
  t.mock.timers.tick(60_000);
  t.mock.timers.tick(60_000);
  await settled();
  assert.equal(isSeen(), true);
  unwatch();
  t.mock.timers.tick(60_000);
  assert.equal(isSeen(), false);
  assert.equal(a.gateways.appliedBy('b'), undefined);
});

test('what a gateway sees is written again where the registry has lost it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const registry = new MemoryRegistry();
  await startGateway(t, registry, 'a');
  await startGateway(t, registry, 'b');
  const turn = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await settled();
  };
  await turn(500);
  assert.deepEqual(registry.keys('sluice/seen/').length, 4);
  registry.remove('sluice/seen/');
  await turn(3000);
  await turn(500);
  assert.deepEqual(registry.keys('sluice/seen/').length, 4);
});

test('joining resolves when everything that was out by then is out here', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = openGateway(t, registry, 'b');
  await b.gateways.first(1000);
  b.store.isDeaf = true;
  let isJoined = false;
  const joined = b.gateways.join(10_000).then(() => {
    isJoined = true;
  });
  await settled();
  await say(a, 's1', DRAIN);
  await settled();
  assert.equal(isJoined, false);
  assert.deepEqual(
    a.gateways.others.map(({ id }) => id),
    ['b'],
    'and whoever speaks now waits for it',
  );
  b.store.isDeaf = false;
  await joined;
  assert.deepEqual(b.admins(), new Map([['s1', DRAIN]]));
});

test('joining does not wait for a registry that is away or silent', async (t) => {
  const registry = new MemoryRegistry();
  const a = openGateway(t, registry, 'a');
  a.store.isAway = true;
  await a.gateways.join(60_000);
  const b = openGateway(t, registry, 'b');
  await b.gateways.first(1000);
  b.store.hold();
  await b.gateways.join(20);
});

test('with nobody else nothing but the lease and the record are written', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  a.gateways.note();
  await a.gateways.look(1000);
  await settled();
  assert.deepEqual(registry.keys(), ['sluice/shared/alive/a', 'sluice/shared/gateways/a']);
  a.gateways.describeAgain();
  await a.gateways.close();
  await settled();
  assert.deepEqual(registry.keys(), []);
});
