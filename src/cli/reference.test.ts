// The help texts: their page is in sync, they fit a terminal, and every verb has one.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createProgram, nameOf } from './program.ts';
import { cliReference, verbsOf } from './reference.ts';

const PAGE = new URL('../../docs/cli.md', import.meta.url);

test('docs/cli.md is what the program says', () => {
  if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(PAGE, cliReference());
  assert.equal(
    readFileSync(PAGE, 'utf8'),
    cliReference(),
    'write it anew: UPDATE_DOCS=1 node --test src/cli/reference.test.ts',
  );
});

test('has the verbs that the documentation promises', () => {
  const verbs = verbsOf(createProgram()).map(nameOf);
  assert.deepEqual(verbs.toSorted(), [
    'sluice check',
    'sluice deploy',
    'sluice drain',
    'sluice kv',
    'sluice kv get',
    'sluice kv ls',
    'sluice kv put',
    'sluice kv rm',
    'sluice maint',
    'sluice plan',
    'sluice registry',
    'sluice serve',
    'sluice status',
    'sluice undrain',
    'sluice weight',
  ]);
});

for (const verb of [createProgram(), ...verbsOf(createProgram())]) {
  test(`the help of ${nameOf(verb)} fits 80 columns and describes everything`, () => {
    // With the text after it, which helpInformation() leaves out.
    let help = '';
    verb.configureOutput({
      writeOut: (part) => {
        help += part;
      },
    });
    verb.outputHelp();
    assert.deepEqual(
      help.split('\n').filter((line) => line.length > 80),
      [],
    );
    assert.notEqual(verb.description(), '');
    for (const option of verb.options) assert.notEqual(option.description, '', option.long);
  });
}
