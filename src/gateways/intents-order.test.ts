// Records of intents that are lost or put back, under indexes that go on rising: the last word holds, on
// every gateway and in the records of the servers.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import { DRAIN, MAINT } from '../../test/support/gateways/builders.ts';
import { MemoryRegistry } from '../../test/support/gateways/memory-registry.ts';
import { type Admin, READY } from '../model.ts';
import { parseIntents } from './documents.ts';
import { Intents } from './intents.ts';
import { whatHolds } from './intents-order.ts';
import type { SharedIntents } from './shared-state.ts';

const KEY = 'sluice/shared/intents/app';

/** A gateway; the record of a server is `down` or `up`, as its last intent says. */
function gateway(t: TestContext, registry: MemoryRegistry, name: string) {
  const { log, lines } = recordingLog();
  const beside = async (_: string, server: string, { state }: Admin) => {
    const { modifyIndex: cas = 0, value = '' } = registry.get(server) ?? {};
    const next = state === 'ready' ? 'up' : 'down';
    const isSo = Buffer.from(value).toString() === next || (value === '' && next === 'up');
    return isSo ? [] : [{ key: server, value: next, cas }];
  };
  const intents = new Intents({
    ...{ store: registry.client(), prefix: 'sluice/', name, log, beside },
    onIntents: () => {},
    onWaiting: () => {},
  });
  t.after(() => intents.close());
  return {
    ...{ intents, lines },
    /** What its watch shows arrives. */
    hear: (): void => {
      const entry = registry.get(KEY);
      const document = entry && parseIntents(Buffer.from(entry.value).toString());
      const shown = new Map<string, SharedIntents>();
      if (entry && document) shown.set('app', { ...document, modifyIndex: entry.modifyIndex });
      const [gateways, asks] = [new Map(), new Map()];
      const none = { gateways, asks, unreadable: new Set<string>(), alive: new Set<string>() };
      intents.take({ ...none, intents: shown });
    },
    say: (server: string, admin: Admin): Promise<void> =>
      intents.change(
        'app',
        () => ({ server, admin }),
        (word) => beside('app', server, word),
      ),
    out: (): string[] =>
      [...intents.admins('app')].filter(([, { state }]) => state !== 'ready').map(([id]) => id),
  };
}

function pair(t: TestContext) {
  const registry = new MemoryRegistry();
  const [a, b] = [gateway(t, registry, 'A'), gateway(t, registry, 'B')];
  const written = (): string[] => [
    ...(parseIntents(registry.text(KEY) ?? '')?.servers.keys() ?? []),
  ];
  /** Everybody hears and writes until nobody has anything to say. */
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 6; turn += 1) {
      for (const each of [b, a]) {
        each.hear();
        await each.intents.reconcile();
      }
    }
    for (const each of [a, b]) assert.equal(each.intents.isWaiting, false);
  };
  return { registry, a, b, written, settle };
}

test('a drain that has just ended stays ended when the record is lost before others heard of it', async (t) => {
  const { registry, a, b, written, settle } = pair(t);
  await a.say('s1', DRAIN);
  b.hear();
  await a.say('s1', READY);
  registry.remove(KEY);
  // The other gateway writes again what it knew.
  b.hear();
  assert.deepEqual(b.out(), ['s1']);
  await b.intents.reconcile();
  assert.deepEqual(written(), ['s1']);
  await settle();
  assert.deepEqual([a.out(), b.out(), written()], [[], [], []]);
  assert.equal(registry.text('s1') ?? 'up', 'down', 'its record says so until somebody mends it');
  await Promise.all([a.intents.takeBack('app', 's1'), b.intents.takeBack('app', 's1')]);
  assert.equal(registry.text('s1'), 'up');
});

test('a drain that ends while the others write it again stays ended', async (t) => {
  const { registry, a, b, written, settle } = pair(t);
  await a.say('s1', DRAIN);
  b.hear();
  registry.remove(KEY);
  b.hear();
  await a.say('s1', READY);
  await b.intents.reconcile();
  await settle();
  assert.deepEqual([a.out(), b.out(), written()], [[], [], []]);
  assert.equal(registry.text('s1'), 'up');
});

test('an old copy that is put back under a new index undoes no word', async (t) => {
  const { registry, a, b, written, settle } = pair(t);
  await a.say('s1', DRAIN);
  const copy = registry.text(KEY) ?? '';
  await a.say('s1', READY);
  await a.say('s2', MAINT);
  b.hear();
  registry.remove(KEY);
  registry.set(KEY, copy);
  await settle();
  assert.deepEqual([a.out(), b.out(), written()], [['s2'], ['s2'], ['s2']]);
  assert.deepEqual([registry.text('s1'), registry.text('s2')], ['up', 'down']);
  assert.equal(b.lines.filter(({ message }) => /older than known/.test(message)).length, 1);
});

test('all that was out is written again in one step, with the records of the servers', async (t) => {
  const { registry, a, written } = pair(t);
  await a.say('s1', DRAIN);
  await a.say('s2', MAINT);
  for (const key of [KEY, 's1', 's2']) registry.remove(key);
  await a.say('s3', DRAIN);
  assert.deepEqual(written(), ['s1', 's2', 's3']);
  assert.deepEqual([registry.text('s1'), registry.text('s2')], ['down', 'down']);
  assert.equal(a.intents.isWaiting, false);
});

test('what a gateway says that knew nothing is added to what the others know', async (t) => {
  const { registry, a, b, written, settle } = pair(t);
  await a.say('s1', DRAIN);
  registry.remove(KEY);
  await b.say('s2', MAINT);
  await settle();
  assert.deepEqual(
    [a.out().sort(), b.out().sort(), written().sort()],
    [
      ['s1', 's2'],
      ['s1', 's2'],
      ['s1', 's2'],
    ],
  );
});

test('a record of a server is mended only where the newest intents do not have the server', async (t) => {
  const { registry, a, b } = pair(t);
  registry.set('s1', 'down');
  await a.intents.takeBack('app', 's1');
  assert.equal(registry.text('s1'), 'down', 'without intents they may be lost');
  await b.say('s1', DRAIN);
  // Its watch has not shown it yet.
  await a.intents.takeBack('app', 's1');
  assert.deepEqual([registry.text('s1'), a.out()], ['down', ['s1']]);
  await b.say('s1', READY);
  const asWritten = registry.text(KEY);
  await a.intents.takeBack('app', 's1');
  assert.equal(registry.text(KEY), asWritten, 'nothing to mend, nothing written');
});

test('a document holds by the words that its writer knew', () => {
  const of = (count: number, line: string, ...ids: string[]): SharedIntents => ({
    ...{ token: `${count}${line}${ids}`, count, line, modifyIndex: 5 },
    servers: new Map(ids.map((id) => [id, { admin: DRAIN, by: 'A' }])),
  });
  const strict = { ...of(7, 'x'), servers: new Map([['a', { admin: MAINT, by: 'B' }]]) };
  for (const [known, shown, ids, count, mustWrite] of [
    [undefined, of(3, 'x', 'a'), 'a', 3, false],
    [of(7, 'x', 'a'), of(8, 'x'), '', 8, false],
    [of(7, 'x', 'a'), { ...of(7, 'x', 'a'), token: 'again' }, 'a', 7, false],
    [of(7, 'x', 'a'), of(5, 'x', 'b'), 'a', 7, true],
    [of(7, 'x', 'a'), of(5, 'x', 'a'), 'a', 7, false],
    [of(7, 'x', 'a'), of(7, 'x', 'b'), 'b,a', 8, true],
    [of(7, 'x', 'a'), of(1, 'y', 'b'), 'b,a', 8, true],
    [of(7, 'x', 'a'), of(8, 'y', 'b'), 'b', 8, false],
    [of(7, 'x', 'a'), of(0, '', 'b'), 'b', 7, false],
    [of(7, 'x', 'a'), { ...of(0, '', 'b'), modifyIndex: 4 }, 'a', 7, true],
    [of(0, '', 'a'), of(1, 'y', 'b'), 'b', 1, false],
  ] as const) {
    const holding = whatHolds(known, shown);
    const seen = [[...holding.servers.keys()].join(), holding.count, holding.mustWrite];
    assert.deepEqual(seen, [ids, count, mustWrite], JSON.stringify([known?.token, shown.token]));
  }
  for (const [known, shown] of [
    [of(7, 'x', 'a'), strict],
    [strict, of(7, 'x', 'a')],
  ] as const) {
    assert.equal(whatHolds(known, shown).servers.get('a')?.admin.state, 'maint');
  }
});
