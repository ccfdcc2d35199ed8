import assert from 'node:assert/strict';
import { test } from 'node:test';
import { approved, failedBefore, unverified } from './replay.ts';

const failed = (instance: string, code: string, revert = false) => ({
  ...{ kind: 'failed', instance, data: { code, reason: `${code} there`, revert } },
});

test('only what speaks against the version ends a release that is resumed', () => {
  assert.equal(failedBefore([]), null);
  assert.equal(failedBefore([failed('a:1', 'unreachable'), failed('a:1', 'guard_refused')]), null);
  assert.equal(
    failedBefore([failed('a:1', 'release_failed', true)]),
    null,
    'a step of the way back',
  );
  assert.deepEqual(failedBefore([failed('a:1', 'release_failed')]), {
    instance: 'a:1',
    reason: 'release_failed there',
  });
});

test('an instance is verified when its verify came to a verdict, and not before', () => {
  const line = (kind: string, step: string, data = {}) => ({ kind, step, instance: 'a:1', data });
  const admitted = [line('intent', 'admit'), line('done', 'admit')];
  const begun = [...admitted, line('intent', 'verify')];
  for (const [records, isOpen] of [
    [[line('intent', 'check')], false],
    [[line('intent', 'admit')], true],
    [begun, true],
    [[...begun, line('failed', 'verify', { code: 'interrupted' })], true],
    [[...begun, line('done', 'verify', { not_judged: 'interrupted' })], true],
    [[...begun, line('done', 'verify')], false],
    [[...begun, line('intent', 'stop', { revert: true })], false],
  ] as const) {
    assert.equal(unverified(records).has('a:1'), isOpen, JSON.stringify(records.at(-1)));
  }
});

test('what was approved is known from then on, and what only waited is not', () => {
  const line = (kind: string, before: string, step = 'approval') => ({
    kind,
    step,
    data: { before },
  });
  const waited = [line('intent', 'rest'), line('failed', 'rest'), line('done', 'other', 'guard')];
  assert.deepEqual([...approved(waited)], []);
  assert.deepEqual([...approved([...waited, line('done', 'rest')])], ['rest']);
});
