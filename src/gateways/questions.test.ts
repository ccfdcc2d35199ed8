// One gateway asks another one through the registry, and nothing of it stays there.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { until } from '../../test/support/base/until.ts';
import { startGateway } from '../../test/support/gateways/builders.ts';
import { MemoryRegistry, settled } from '../../test/support/gateways/memory-registry.ts';

const LATE_MS = 10_000;

async function pair(t: TestContext) {
  const registry = new MemoryRegistry();
  const [one, other] = [await startGateway(t, registry, 'a'), await startGateway(t, registry, 'b')];
  const left = () => [...registry.keys('sluice/asked/'), ...registry.keys('sluice/answered/')];
  return {
    registry,
    left,
    one: one.gateways.questions,
    other: other.gateways.questions,
    store: one.store,
  };
}

test('a question is answered, and both are removed', async (t) => {
  const { one, other, left } = await pair(t);
  other.answerWith(async (question) => `${question}? yes`);
  one.answerWith(async (question) => `${question}? no`);
  assert.equal(await one.ask('b', 'rain', LATE_MS), 'rain? yes');
  const both = await Promise.all([one.ask('b', 'x', LATE_MS), other.ask('a', 'y', LATE_MS)]);
  assert.deepEqual(both, ['x? yes', 'y? no']);
  await until(() => left().length === 0);
});

test('who does not answer in time is not waited for, and its answer does not stay', async (t) => {
  const { one, other, left } = await pair(t);
  const { promise, resolve } = Promise.withResolvers<string>();
  other.answerWith(() => promise);
  assert.equal(await one.ask('b', 'rain', 1), undefined);
  await until(() => left().length === 0);
  resolve('late');
  await settled();
  assert.deepEqual(left(), []);
});

test('an answer that was written as its question went is removed', async (t) => {
  const { one, other, left, registry } = await pair(t);
  other.answerWith(async () => {
    registry.remove('sluice/asked/');
    return 'as it went';
  });
  assert.equal(await one.ask('b', 'rain', 200), undefined);
  await settled();
  assert.deepEqual(left(), []);
});

test('what is no answer is none: nobody there, no such question, garbage, a registry that is away', async (t) => {
  const { one, other, registry, store } = await pair(t);
  assert.equal(await one.ask('b', 'nobody answers', 20), undefined);
  other.answerWith(async () => undefined);
  assert.equal(await one.ask('b', 'no such question', 20), undefined);
  assert.equal(await one.ask('nobody', 'rain', 20), undefined);
  other.answerWith(async () => 'fine');
  const asking = one.ask('b', 'x'.repeat(5000), 20);
  assert.equal(await asking, undefined, 'too long a question');
  const garbled = one.ask('c', 'rain', LATE_MS);
  await until(() => registry.keys('sluice/asked/c/a/').length === 1);
  const number = registry.keys('sluice/asked/c/a/')[0]?.split('/').at(-1);
  registry.set(`sluice/answered/a/c/${number}`, 'not packed');
  assert.equal(await garbled, undefined);
  store.failQuietly(true);
  assert.equal(await one.ask('b', 'rain', LATE_MS), undefined);
});

test('what is too long for a record is answered with less in it', async (t) => {
  const { one, other } = await pair(t);
  const shares: number[] = [];
  other.answerWith(async (_, share) => {
    shares.push(share);
    return randomBytes(1024 * 1024 * share).toString('hex');
  });
  assert.equal((await one.ask('b', 'much', LATE_MS))?.length, 2 * 1024 * 256);
  assert.deepEqual(shares, [1, 0.25]);
});

test('so many of one gateway at a time, and no more', async (t) => {
  const { registry, other, left } = await pair(t);
  let count = 0;
  other.answerWith(() => {
    count += 1;
    return new Promise(() => {});
  });
  for (let number = 0; number < 40; number += 1) registry.set(`sluice/asked/b/z/${number}`, 'x');
  registry.set('sluice/asked/b/a/1', 'x');
  await settled();
  assert.equal(count, 17);
  assert.equal(left().length, 41);
});

test('who waits as it closes has no answer', async (t) => {
  const { one, other } = await pair(t);
  other.answerWith(() => new Promise(() => {}));
  const asking = one.ask('b', 'rain', LATE_MS);
  await settled();
  one.close();
  assert.equal(await asking, undefined);
  assert.equal(await one.ask('b', 'rain', LATE_MS), undefined);
});
