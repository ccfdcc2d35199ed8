// The configuration's documentation is what the schema says; nearest words.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { nearest } from '../base/suggest.ts';
import { configReference, configSchema } from './reference.ts';

const PAGE = new URL('../../docs/config.md', import.meta.url);

test('docs/config.md is what the schema says', () => {
  if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(PAGE, configReference());
  assert.equal(
    readFileSync(PAGE, 'utf8'),
    configReference(),
    'write it anew: UPDATE_DOCS=1 node --test src/config/reference.test.ts',
  );
});

test('every key is documented', () => {
  const rows = configReference()
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  assert.ok(rows.length > 80);
  assert.deepEqual(
    rows.filter((row) => /\| *\|$/.test(row)),
    [],
  );
});

test('the JSON Schema takes the short forms and has no keys of our own', () => {
  const text = JSON.stringify(configSchema());
  assert.doesNotMatch(text, /"x-(value|short)"/);
  assert.match(text, /"servers":\{.*?"anyOf":\[\{.*?\},\{"type":"string"\}\]/);
  assert.match(text, /"patternProperties":\{"\^x-":\{\}\}/);
});

for (const [word, expected] of [
  ['intervall', 'interval'],
  ['maxFails', 'max_fails'],
  ['MAX_FAILS', 'max_fails'],
  ['max-fails', 'max_fails'],
  ['wieght', 'weight'],
  ['warning', 'warn'],
  ['colour', undefined],
  ['x'.repeat(10_000), undefined],
] as const) {
  test(`${word.slice(0, 20)} is taken for ${expected ?? 'nothing known'}`, () => {
    assert.equal(nearest(word, ['interval', 'max_fails', 'weight', 'warn']), expected);
  });
}
