// Gateways tell each other of their traffic only while somebody looks on, under their leases.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startGateway } from '../../test/support/gateways/builders.ts';
import { MemoryRegistry, settled } from '../../test/support/gateways/memory-registry.ts';

async function pair(t: TestContext) {
  const registry = new MemoryRegistry();
  const [one, other] = [await startGateway(t, registry, 'a'), await startGateway(t, registry, 'b')];
  const said = (): readonly (readonly [string, string])[] =>
    [...one.gateways.figures.others].map(([id, { text }]) => [id, text]);
  return { registry, one: one.gateways.figures, other: other.gateways.figures, said };
}

test('nobody writes while nobody looks on', async (t) => {
  const { registry, one, other } = await pair(t);
  one.say(() => assert.fail('not asked for'));
  other.say(() => assert.fail('not asked for'));
  await settled();
  assert.deepEqual(registry.keys('sluice/figures/'), []);
});

test('who looks on hears the others, each second the newest', async (t) => {
  const { registry, one, other, said } = await pair(t);
  one.look(true);
  await settled();
  assert.equal(other.isWanted, true);
  assert.equal(one.isWanted, false, 'what it wants itself is no reason to write');
  for (const text of ['{"x":1}', '{"x":2}']) {
    other.say(() => text);
    await settled();
    assert.deepEqual(said(), [['b', text]]);
  }
  one.say(() => assert.fail('nobody else looks on'));
  assert.deepEqual(registry.keys('sluice/figures/'), [
    'sluice/figures/of/b',
    'sluice/figures/wanted/a',
  ]);
});

test('a gateway whose lease has ended is not heard, and wants nothing', async (t) => {
  const { registry, one, other, said } = await pair(t);
  one.look(true);
  await settled();
  other.say(() => '{}');
  await settled();
  assert.equal(said().length, 1);
  registry.remove('sluice/figures/of/b');
  await settled();
  assert.deepEqual(said(), []);
  registry.remove('sluice/figures/wanted/a');
  await settled();
  assert.equal(other.isWanted, false);
  // Under the next lease it is said again.
  one.again();
  await settled();
  assert.equal(other.isWanted, true);
});

test('some time after the last one looked away, nothing is wanted and nothing is known', async (t) => {
  const { registry, one, other, said } = await pair(t);
  one.look(true);
  await settled();
  other.say(() => '{}');
  await settled();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  one.look(false);
  t.mock.timers.tick(10_000);
  one.look(true);
  t.mock.timers.tick(60_000);
  assert.equal(said().length, 1, 'who comes back in time has it still');
  one.look(false);
  t.mock.timers.tick(20_001);
  t.mock.timers.reset();
  await settled();
  assert.deepEqual(said(), []);
  assert.equal(registry.keys('sluice/figures/wanted/').length, 0);
});
