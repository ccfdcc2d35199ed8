import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import {
  MemoryRegistry,
  type MemoryStore,
  settled,
} from '../../test/support/gateways/memory-registry.ts';
import type { GatewayDocument } from './documents.ts';
import { Roster } from './roster.ts';
import type { Shared } from './shared-state.ts';

const SELF = 'sluice/shared/gateways/a';
const ALIVE = 'sluice/shared/alive/a';

type Scene = {
  readonly registry: MemoryRegistry;
  readonly store: MemoryStore;
  readonly roster: Roster;
  readonly lines: ReturnType<typeof recordingLog>['lines'];
  readonly leases: () => number;
  version: string;
};

function scene(t: TestContext, forgetMs = 60_000): Scene {
  const registry = new MemoryRegistry();
  const store = registry.client();
  const { log, lines } = recordingLog();
  let leases = 0;
  const found: Scene = {
    ...{ registry, store, lines, version: '1', leases: () => leases },
    roster: new Roster({
      ...{ store, prefix: 'sluice/', id: 'a', leaseMs: 10_000, forgetMs, log },
      describe: () => described('A', found.version),
      onLease: () => {
        leases += 1;
      },
    }),
  };
  t.after(() => found.roster.close());
  return found;
}

async function joined(t: TestContext, forgetMs?: number): Promise<Scene> {
  const found = scene(t, forgetMs);
  found.roster.start();
  await settled();
  return found;
}

function described(name: string, version = '1'): GatewayDocument {
  return { name, version, control: '', startedAtMs: 1, upstreams: ['app'] };
}

/** What the registry has: gateways whose lease holds, in capitals; others in small letters. */
function shared(ids: string, unreadable = ''): Shared {
  const gateways = new Map(
    [...ids].map((id) => [id.toLowerCase(), described(id.toUpperCase())] as const),
  );
  return {
    ...{ gateways, intents: new Map(), asks: new Map(), unreadable: new Set(unreadable) },
    alive: new Set([...ids].filter((id) => id !== id.toLowerCase()).map((id) => id.toLowerCase())),
  };
}

function seen({ roster }: Scene): string[] {
  return roster.others.map(({ name, state, sinceMs }) => `${name} ${state} ${sinceMs}`);
}

function messages({ lines }: Scene): string[] {
  return lines.map(({ level, message }) => `${level} ${message}`);
}

test('a gateway writes who it is and, under its lease, that it lives; leaving takes both away', async (t) => {
  const one = scene(t);
  assert.equal(one.roster.lease, undefined);
  one.roster.start();
  one.roster.start();
  await settled();
  assert.notEqual(one.roster.lease, undefined);
  assert.equal(one.leases(), 1);
  assert.deepEqual(one.registry.keys(), [ALIVE, SELF]);
  assert.deepEqual(one.registry.document(SELF), described('A'));
  await one.roster.close();
  assert.deepEqual(one.registry.keys(), []);
  assert.equal(one.roster.lease, undefined);
  one.roster.start();
  await settled();
  assert.deepEqual(one.registry.keys(), [], 'closed is closed');
});

test('what it says of itself is written when it has changed', async (t) => {
  const one = await joined(t);
  const before = one.store.asked.length;
  await one.roster.update();
  assert.equal(one.store.asked.length, before);
  one.version = '2';
  await one.roster.update();
  assert.deepEqual(one.registry.document(SELF), described('A', '2'));
  one.version = '3';
  one.store.failQuietly(true);
  await one.roster.update();
  one.store.failQuietly(false);
  await one.roster.update();
  assert.deepEqual(one.registry.document(SELF), described('A', '3'));
});

test('without a lease nothing is said of itself', async (t) => {
  const one = scene(t);
  await one.roster.update();
  assert.deepEqual(one.store.asked, []);
});

test('others come, fall silent, speak again and leave; each is said once', async (t) => {
  const one = await joined(t);
  assert.equal(one.roster.take(shared('A'), 100), false);
  assert.equal(one.roster.take(shared('AB'), 200), true);
  assert.equal(one.roster.take(shared('AB'), 300), false);
  assert.deepEqual(seen(one), ['B live 200']);
  assert.equal(one.roster.take(shared('Ab'), 400), true);
  assert.equal(one.roster.take(shared('Ab'), 500), false);
  assert.deepEqual(seen(one), ['B silent 400']);
  assert.equal(one.roster.take(shared('AB'), 600), true);
  assert.deepEqual(seen(one), ['B live 600']);
  assert.equal(one.roster.take(shared('A'), 700), true);
  assert.deepEqual(seen(one), []);
  assert.deepEqual(messages(one), [
    'info gateway is here',
    'warn gateway is silent',
    'info gateway is back',
    'info gateway has left',
  ]);
});

test('one whose record was lost while it lives is still there', async (t) => {
  const one = await joined(t);
  one.roster.take(shared('AB'), 100);
  const lost = shared('A');
  assert.equal(one.roster.take({ ...lost, alive: new Set(['a', 'b']) }, 200), false);
  assert.deepEqual(seen(one), ['B live 100']);
  one.roster.take(lost, 300);
  assert.deepEqual(seen(one), [], 'it has left by now');
});

test('when the registry has lost our record as well, nobody has left: they are silent', async (t) => {
  const one = await joined(t);
  one.roster.take(shared('AB'), 100);
  one.registry.remove('sluice/');
  one.roster.take(shared(''), 200);
  assert.deepEqual(seen(one), ['B silent 200']);
  await settled();
  assert.deepEqual(one.registry.keys(), [ALIVE, SELF], 'and ours are written again');
  one.roster.take(shared('AB'), 300);
  assert.deepEqual(seen(one), ['B live 300']);
});

test('our own record and sign of life are written again when they are gone or spoilt', async (t) => {
  const one = await joined(t);
  one.registry.set(SELF, 'spoilt');
  one.roster.take(shared('A', 'a'), 100);
  await settled();
  assert.deepEqual(one.registry.document(SELF), described('A'));
  one.registry.remove(ALIVE);
  one.roster.take(shared('a'), 200);
  await settled();
  assert.deepEqual(one.registry.keys(), [ALIVE, SELF]);
  const before = one.store.asked.length;
  one.roster.take(shared('A'), 300);
  await settled();
  assert.equal(one.store.asked.length, before, 'nothing is missing');
});

test('before it has a lease it takes nothing for lost', async (t) => {
  const one = scene(t);
  one.roster.take(shared('B'), 100);
  one.roster.take(shared(''), 200);
  assert.deepEqual(seen(one), []);
  await settled();
  assert.deepEqual(one.store.asked, []);
});

test('a silent one is forgotten in time, even when nothing else happens', async (t) => {
  const one = await joined(t);
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1000 });
  one.registry.set('sluice/shared/gateways/b', '{}');
  one.registry.set('sluice/shared/gateways/c', '{}');
  one.roster.take(shared('Abc'), 1000);
  one.roster.take(shared('AbC'), 21_000);
  one.roster.take(shared('Abc'), 31_000);
  t.mock.timers.setTime(31_000);
  t.mock.timers.tick(29_999);
  assert.deepEqual(seen(one), ['B silent 1000', 'C silent 31000']);
  t.mock.timers.tick(1);
  assert.deepEqual(seen(one), ['C silent 31000']);
  assert.equal(messages(one).at(-1), 'info silent gateway is forgotten');
  // The registry has it for another moment.
  assert.equal(one.roster.take(shared('Abc'), 61_000), false);
  assert.deepEqual(seen(one), ['C silent 31000']);
  await settled();
  assert.equal(one.registry.text('sluice/shared/gateways/b'), undefined);
  assert.notEqual(one.registry.text('sluice/shared/gateways/c'), undefined);
  t.mock.timers.tick(30_000);
  assert.deepEqual(seen(one), []);
  // It was not dead.
  one.roster.take(shared('AB'), 100_000);
  assert.deepEqual(seen(one), ['B live 100000']);
});

test('a silent one that another has taken the place of is forgotten sooner', async (t) => {
  const one = await joined(t, 3_600_000);
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1000 });
  const here = shared('AbcD');
  const replaced = { ...described('D'), replaces: 'b' };
  for (const key of ['views/b/app', 'applied/b', 'views/c/app']) {
    one.registry.set(`sluice/seen/${key}`, 'of somebody else');
  }
  one.roster.take({ ...here, gateways: new Map([...here.gateways, ['d', replaced]]) }, 1000);
  t.mock.timers.tick(59_999);
  assert.deepEqual(seen(one), ['B silent 1000', 'C silent 1000', 'D live 1000']);
  t.mock.timers.tick(1);
  assert.deepEqual(seen(one), ['C silent 1000', 'D live 1000']);
  await settled();
  assert.deepEqual(one.registry.keys('sluice/seen/'), ['sluice/seen/views/c/app']);
});

test('one that could not be forgotten is silent again', async (t) => {
  const one = await joined(t);
  one.roster.take(shared('Ab'), 0);
  one.store.failQuietly(true);
  one.roster.take(shared('Ab'), 60_000);
  assert.deepEqual(seen(one), []);
  await settled();
  one.roster.take(shared('Ab'), 61_000);
  assert.deepEqual(seen(one), ['B silent 61000']);
});

test('a lost lease is opened again, and what lives under it is written again', async (t) => {
  const one = await joined(t);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  one.store.loseLeases();
  assert.equal(one.roster.lease, undefined);
  assert.match(messages(one).at(-1) ?? '', /lease of this gateway is lost/);
  assert.deepEqual(one.registry.keys(), [SELF]);
  one.registry.remove(SELF);
  t.mock.timers.tick(200);
  await settled();
  assert.deepEqual(one.registry.keys(), [ALIVE, SELF]);
  assert.equal(one.leases(), 2);
});

test('while the registry is away it tries again, ever more seldom, and says so once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const one = scene(t);
  one.store.failQuietly(true);
  one.roster.start();
  await settled();
  for (const waitMs of [200, 400, 800]) {
    const before = one.store.asked.length;
    t.mock.timers.tick(waitMs - 1);
    await settled();
    assert.equal(one.store.asked.length, before);
    t.mock.timers.tick(1);
    await settled();
    assert.equal(one.store.asked.length, before + 1);
  }
  assert.deepEqual(messages(one), ['warn other gateways cannot see this one yet']);
  one.store.failQuietly(false);
  t.mock.timers.tick(5000);
  await settled();
  assert.equal(one.leases(), 1);
  // From the start again.
  one.store.failQuietly(true);
  one.store.loseLeases();
  const before = one.store.asked.length;
  t.mock.timers.tick(200);
  await settled();
  assert.equal(one.store.asked.length, before + 1);
});

test('leaving while the registry is away or silent does not wait for it', async (t) => {
  const one = await joined(t);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  one.store.hold();
  const closed = one.roster.close();
  t.mock.timers.tick(2000);
  await closed;
  const two = await joined(t);
  two.store.failQuietly(true);
  await two.roster.close();
});

test('a lease that comes after it was closed is given back', async (t) => {
  const one = scene(t);
  const release = one.store.hold();
  one.roster.start();
  await one.roster.close();
  release();
  await settled();
  assert.equal(one.roster.lease, undefined);
  assert.equal(one.registry.text(ALIVE), undefined);
});
