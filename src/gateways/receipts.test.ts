import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startGateway, type TestGateway } from '../../test/support/gateways/builders.ts';
import { MemoryRegistry, settled } from '../../test/support/gateways/memory-registry.ts';
import { isSluiceError } from '../base/errors.ts';
import type { AnswerDocument, AskDocument } from './documents.ts';
import type { OtherCounts } from './receipts.ts';

const ASK = 'sluice/shared/receipts/r';

async function two(t: TestContext): Promise<{
  readonly registry: MemoryRegistry;
  readonly a: TestGateway;
  readonly b: TestGateway;
}> {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  return { registry, a, b };
}

async function open(gateway: TestGateway): Promise<readonly OtherCounts[]> {
  gateway.gateways.receipts.open('r');
  return await ask(gateway);
}

async function ask({ gateways }: TestGateway): Promise<readonly OtherCounts[]> {
  await gateways.look(1000);
  return await gateways.receipts.ask('r', 'app', 5000);
}

function brief(counts: readonly OtherCounts[]): string[] {
  return counts.map(({ name, state, answer }) => {
    // What a test's gateway answers.
    const { requests } = (answer?.receipt ?? {}) as { requests?: number };
    return `${name} ${state} ${requests ?? 'nothing'}`;
  });
}

/** A gateway that is gone without a word: its lease has run out. */
async function kill({ store }: TestGateway): Promise<void> {
  store.failQuietly(true);
  store.loseLeases();
  await settled();
}

test('every other gateway answers with its counts, whichever asks', async (t) => {
  const { a, b, registry } = await two(t);
  assert.deepEqual(brief(await open(a)), ['B answered 0']);
  assert.deepEqual(b.opened, [{ id: 'r', isNew: false }]);
  [a.counted, b.counted] = [3, 4];
  assert.deepEqual(brief(await ask(a)), ['B answered 4']);
  assert.deepEqual(brief(await ask(b)), ['A answered 3']);
  const { asked, asker, present, late } = registry.document(ASK) as AskDocument;
  assert.deepEqual(
    { asked, asker, present, late },
    { asked: 3, asker: 'b', present: ['a', 'b'], late: [] },
  );
});

test('nobody is asked who does not serve the upstream', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b', {
    describe: () => ({ name: 'B', version: '1', control: '', startedAtMs: 1, upstreams: ['web'] }),
  });
  assert.deepEqual(await open(a), []);
  await settled();
  assert.deepEqual(b.opened, []);
});

test('one that comes later counts from its start, also when it leaves before anybody asks', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  assert.deepEqual(await open(a), []);
  const b = await startGateway(t, registry, 'b');
  b.counted = 5;
  await b.gateways.close();
  await settled();
  assert.deepEqual(b.opened, [{ id: 'r', isNew: true }]);
  assert.deepEqual(brief(await ask(a)), ['B answered 5']);
});

test('one that dies is named: silent, then gone when it is forgotten', async (t) => {
  const { a, b, registry } = await two(t);
  await open(a);
  b.counted = 9;
  await kill(b);
  assert.deepEqual(brief(await ask(a)), ['B silent 0']);
  registry.remove('sluice/shared/gateways/b');
  assert.deepEqual(brief(await ask(a)), ['B gone 0']);
});

test('one that never answered and is gone is on the receipt', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  await kill(b);
  assert.deepEqual(brief(await open(a)), ['B silent nothing']);
  registry.remove('sluice/shared/gateways/b');
  await settled();
  assert.deepEqual(brief(await ask(a)), ['B gone nothing']);
});

test('one that does not answer is late, and not waited for longer', async (t) => {
  const { a, b } = await two(t);
  await open(a);
  b.store.isDeaf = true;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const counts = ask(a);
  await settled();
  t.mock.timers.tick(5000);
  assert.deepEqual(brief(await counts), ['B late 0']);
});

test('one that was late at the opening has counted a part', async (t) => {
  const { a, b } = await two(t);
  b.store.isDeaf = true;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const opened = open(a);
  await settled();
  t.mock.timers.tick(5000);
  assert.deepEqual(brief(await opened), ['B late nothing']);
  b.store.isDeaf = false;
  await settled();
  b.counted = 2;
  assert.deepEqual(brief(await ask(a)), ['B partial 2']);
  // Whichever is asked.
  assert.deepEqual(brief(await ask(b)), ['A answered 0']);
});

test('one that first hears of it by a later question has counted a part', async (t) => {
  const { a, b, registry } = await two(t);
  await open(a);
  // As if the registry had lost it for long, and b had given its counts up.
  b.store.isDeaf = true;
  registry.remove('sluice/seen/receipts/');
  await settled();
  const late = await startGateway(t, registry, 'c');
  b.store.isDeaf = false;
  await settled();
  late.counted = 1;
  assert.deepEqual(brief(await ask(a)).sort(), ['B answered 0', 'C answered 1']);
  assert.equal((registry.document('sluice/seen/receipts/r/c') as AnswerDocument).isWhole, true);
});

test('counts that were given up and begun again are a part', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  const b = await startGateway(t, registry, 'b');
  await open(a);
  a.store.isDeaf = true;
  registry.remove(ASK);
  await settled();
  t.mock.timers.tick(59_999);
  assert.deepEqual(b.forgotten, []);
  t.mock.timers.tick(1);
  await settled();
  assert.deepEqual(b.forgotten, ['r']);
  assert.equal(registry.text('sluice/seen/receipts/r/b'), undefined, 'nothing is left behind');
  a.store.isDeaf = false;
  await settled();
  assert.deepEqual(brief(await ask(a)), ['B partial 0']);
});

test('a question that is lost is written again, and the counts go on', async (t) => {
  const { a, b, registry } = await two(t);
  await open(a);
  b.counted = 7;
  registry.remove('sluice/shared/receipts/');
  await settled();
  assert.equal((registry.document(ASK) as AskDocument).asked, 2);
  assert.deepEqual([a.forgotten, b.forgotten], [[], []]);
  registry.remove('sluice/');
  await settled();
  assert.equal((registry.document(ASK) as AskDocument).asked, 3);
  assert.deepEqual(brief(await ask(a)), ['B answered 7']);
  assert.equal(b.opened.length, 1);
});

test('a question is written once, also while the registry is slow to show it', async (t) => {
  const { a, registry } = await two(t);
  const puts = (): number => a.store.asked.filter((what) => what === `put ${ASK}`).length;
  for (const count of [1, 2]) {
    const release = a.store.hold();
    if (count === 1) void open(a);
    else registry.remove(ASK);
    for (const change of ['x', 'y', 'z']) {
      registry.set('sluice/shared/other', change);
      await settled();
    }
    assert.equal(puts(), count);
    release();
    await settled();
    assert.equal(puts(), count);
  }
});

test('a question that is lost, found, and lost again is forgotten a while after that', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const registry = new MemoryRegistry();
  const b = await startGateway(t, registry, 'b');
  const question = { upstream: 'app', asked: 1, asker: 'x', present: ['b'], late: [] };
  registry.set('sluice/shared/gateways/x', 'unreadable');
  for (const forgotten of [0, 1]) {
    registry.set(ASK, JSON.stringify({ ...question, asked: forgotten + 1 }));
    await settled();
    registry.remove(ASK);
    await settled();
    t.mock.timers.tick(forgotten === 0 ? 30_000 : 59_999);
    registry.set('sluice/shared/other', '');
    await settled();
    assert.deepEqual(b.forgotten, []);
  }
  t.mock.timers.tick(1);
  assert.deepEqual(b.forgotten, ['r']);
});

test('a receipt that is closed is closed everywhere, and nothing is left behind', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { a, b, registry } = await two(t);
  await open(a);
  await a.gateways.receipts.close('r');
  await settled();
  assert.deepEqual(registry.keys('sluice/shared/receipts/'), []);
  assert.deepEqual(registry.keys('sluice/seen/receipts/'), []);
  // An answer that was on its way.
  registry.set('sluice/seen/receipts/r/b', '{}');
  t.mock.timers.tick(60_000);
  await settled();
  assert.deepEqual(b.forgotten, ['r']);
  assert.deepEqual(registry.keys('sluice/seen/receipts/'), []);
  const before = a.store.asked.length;
  await a.gateways.receipts.close('r');
  assert.equal(a.store.asked.length, before);
});

test('closing while the registry is away does not fail', async (t) => {
  const { a } = await two(t);
  await open(a);
  a.store.failQuietly(true);
  await a.gateways.receipts.close('r');
});

test('a receipt whose asker is gone is removed after a while, not before', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { a, b, registry } = await two(t);
  await open(a);
  a.counted = 6;
  await a.gateways.close();
  await settled();
  assert.deepEqual(brief(await ask(b)), ['A answered 6'], 'the other can be asked for it');
  // Now it is b's question.
  t.mock.timers.tick(600_000);
  await settled();
  assert.notEqual(registry.text(ASK), undefined);
  await b.gateways.close();
  await settled();
  const c = await startGateway(t, registry, 'c');
  assert.notEqual(registry.text(ASK), undefined);
  t.mock.timers.tick(599_999);
  registry.set('sluice/shared/other', '');
  await settled();
  assert.notEqual(registry.text(ASK), undefined);
  t.mock.timers.tick(1);
  await settled();
  assert.equal(registry.text(ASK), undefined);
  assert.deepEqual(registry.keys('sluice/seen/receipts/'), []);
  await c.gateways.close();
});

test('whoever leaves as the last one takes its receipts away', async (t) => {
  const registry = new MemoryRegistry();
  const a = await startGateway(t, registry, 'a');
  await open(a);
  await a.gateways.close();
  await settled();
  assert.deepEqual(registry.keys(), []);
});

test('an answer that could not be given is given when it is asked for again', async (t) => {
  const { a, b, registry } = await two(t);
  await open(a);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  b.store.failQuietly(true);
  b.counted = 3;
  const first = ask(a);
  await settled();
  t.mock.timers.tick(5000);
  assert.deepEqual(brief(await first), ['B late 0']);
  assert.match(b.lines.map(({ message }) => message).join(), /receipt not answered/);
  b.store.failQuietly(false);
  registry.set('sluice/shared/other', '');
  await settled();
  const { asked } = registry.document('sluice/seen/receipts/r/b') as AnswerDocument;
  assert.equal(asked, 2, 'or with the next change');
  assert.deepEqual(brief(await ask(a)), ['B answered 3']);
});

test('a question that the registry does not take fails in time', async (t) => {
  const { a } = await two(t);
  await open(a);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const release = a.store.hold();
  const asked = assert.rejects(
    a.gateways.receipts.ask('r', 'app', 5000),
    (error) => isSluiceError(error) && error.code === 'registry_unreachable',
  );
  t.mock.timers.tick(5000);
  await asked;
  release();
  a.store.failQuietly(true);
  await assert.rejects(a.gateways.receipts.ask('r', 'app', 5000), /away/);
});

test('answers are written in the order of their questions', async (t) => {
  const { a, b, registry } = await two(t);
  await open(a);
  const question = (asked: number): string =>
    JSON.stringify({ upstream: 'app', asked, asker: 'a', present: ['a', 'b'], late: [] });
  const release = b.store.hold();
  registry.set(ASK, question(5));
  await settled();
  // Whatever is written from now on would be faster.
  b.store.hold()();
  registry.set(ASK, question(6));
  await settled();
  const last = b.gateways.receipts.sayLast();
  await settled();
  release();
  await last;
  const { asked, isFinal } = registry.document('sluice/seen/receipts/r/b') as AnswerDocument;
  assert.deepEqual([asked, isFinal], [6, true]);
});
