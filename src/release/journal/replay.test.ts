import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedBefore } from './replay.ts';

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
