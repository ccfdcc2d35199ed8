import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  buildService,
  deploy,
  FakeControl,
  ids,
  journalOf,
  versionOf,
} from '../../test/release-builders.ts';

test('a first deploy starts every instance, a second one rolls them to the next version', async (t) => {
  const service = await buildService(t, 2);
  const [a = '', b = ''] = ids(service);
  const control = new FakeControl([a, b]);
  const first = await deploy(service, control, 'v1');
  assert.equal(first.result.outcome, 'succeeded', JSON.stringify(first.result));
  const second = await deploy(service, control, 'v2');
  assert.equal(second.result.outcome, 'succeeded', JSON.stringify(second.result));
  assert.deepEqual([await versionOf(a), await versionOf(b)], ['v2', 'v2']);
  const turn = ['guard', 'drain', 'stop', 'start', 'check', 'admit'].flatMap((step) => [
    `intent ${step}`,
    `done ${step}`,
  ]);
  assert.deepEqual(await journalOf(service, 'r2'), ['begin', 'plan', ...turn, ...turn, 'end']);
});

test('a broken version is reverted on the first instance, and the second is not touched', async (t) => {
  const service = await buildService(t, 2);
  const [a = '', b = ''] = ids(service);
  const control = new FakeControl([a, b]);
  await deploy(service, control, 'v1');
  control.calls.length = 0;
  const { result } = await deploy(service, control, 'broken');
  console.log(JSON.stringify(result, null, 1));
  assert.equal(result.exit, 1);
});
