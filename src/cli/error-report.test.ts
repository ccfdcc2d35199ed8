// How failures are told: docs/errors.md is in sync with the table, one line per failure, exit codes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorCodes, exitCode, httpStatus, SluiceError } from '../base/errors.ts';
import { exitCodeOf } from './error-report.ts';

test('docs/errors.md lists every code with its exit code and status', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| (\d+) \| (.+) \|$/gm)];
  assert.deepEqual(
    rows.map(([, code, exit, status]) => `${code} ${exit} ${status}`),
    errorCodes().map((code) => `${code} ${exitCode(code)} ${httpStatus(code)}`),
  );
});

test('docs/errors.md explains every exit code that the table uses', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  for (const exit of new Set(errorCodes().map(exitCode))) {
    assert.match(page, new RegExp(`^\\| ${exit} \\| [a-z]`, 'm'), `exit ${exit}`);
  }
});

test('an expected failure exits with its own code, a bug with 1', () => {
  assert.equal(exitCodeOf(new SluiceError('guard_refused', 'no')), 5);
  assert.equal(exitCodeOf(new TypeError('bug')), 1);
});

test('docs/errors.md does not promise that a release that ends with 5 changed nothing', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  assert.doesNotMatch(page, /^\| `guard_refused` .*nothing was changed/m);
  assert.match(page, /^\| 5 \| .*see the last block/m);
});
