import assert from 'node:assert/strict';
import { test } from 'node:test';
import { past } from '../../test/support/release/surveys.ts';
import type { PastRelease } from './journal/history.ts';
import { rollbackTarget } from './rollback-target.ts';

/** `v3 failed`, `v2 succeeded`, `v1 rollback of r4`, `v1 partial`; newest first. */
function history(...lines: readonly string[]): readonly PastRelease[] {
  return lines.map((line, at) => {
    const number = lines.length - at;
    const [version = '', word = '', , of = ''] = line.split(' ');
    const isRollback = word === 'rollback';
    const outcome = isRollback || word === 'partial' ? 'succeeded' : word;
    const kind = isRollback ? 'rollback' : word === 'stopped' ? 'stop' : 'deploy';
    const complete = outcome === 'succeeded' && word !== 'partial';
    return past({ id: `r${number}`, number, version, kind, outcome, complete, of });
  });
}

const CASES: readonly (readonly [what: string, lines: readonly string[], target: string])[] = [
  [
    'after a failure it is the last good one',
    ['v3 failed', 'v2 succeeded', 'v1 succeeded'],
    'v2 r3',
  ],
  ['after a success it is the one before', ['v3 succeeded', 'v2 succeeded'], 'v2 r2'],
  ['the same version twice is one', ['v3 succeeded', 'v3 succeeded', 'v2 succeeded'], 'v2 r3'],
  [
    'one that did not reach every instance is none',
    ['v3 failed', 'v2 partial', 'v1 succeeded'],
    'v1 r3',
  ],
  [
    'after a rollback it is not the version that was left',
    ['v2 rollback of r3', 'v3 succeeded', 'v2 succeeded', 'v1 succeeded'],
    'v1 r4',
  ],
  [
    'what was refused or stopped does not count',
    ['- stopped', 'v4 refused', 'v3 succeeded', 'v2 succeeded'],
    'v2 r2',
  ],
  ['a release that died counts as begun', ['v3 ', 'v2 succeeded'], 'v2 r2'],
];

for (const [what, lines, target] of CASES) {
  test(`the version to go back to: ${what}`, () => {
    const { version, of } = rollbackTarget('app', history(...lines), '');
    assert.equal(`${version} ${of}`, target);
  });
}

test('where there is none, it is said, and what there is', () => {
  const refused = { code: 'preflight_failed' };
  assert.throws(() => rollbackTarget('app', [], ''), {
    ...refused,
    message: 'service "app": nothing to go back to: no release is known',
  });
  assert.throws(() => rollbackTarget('app', history('v1 succeeded'), ''), {
    ...refused,
    message: /no earlier version than v1 has succeeded on every instance; name one with --to/,
  });
  const known = history('v3 failed', 'v2 succeeded', 'v1 succeeded');
  assert.equal(rollbackTarget('app', known, 'v1').version, 'v1');
  assert.throws(() => rollbackTarget('app', known, 'v3'), {
    ...refused,
    message: /no release to v3 has succeeded on every instance; known: v2, v1$/,
  });
});
