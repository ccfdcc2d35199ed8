// The help texts: docs/cli.md is made of them and in sync, they fit a terminal, and every verb has one.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Command } from 'commander';
import { createProgram, nameOf } from './program.ts';

const PAGE = new URL('../../docs/cli.md', import.meta.url);

const INTRODUCTION = `# Command line

<!-- Written by src/cli/reference.test.ts, which also compares.
     To write it anew: UPDATE_DOCS=1 node --test src/cli/reference.test.ts -->

- Results go to standard output, remarks and errors (\`sluice: what is wrong; what to do\`) to standard error.
- \`--json\` prints documents, and errors as \`{"error":{"code","message","details"}}\` on standard error.
- Exit codes are in [errors.md](errors.md): 0 good, 1 failed, 2 usage or configuration, 9 not reachable.
- \`-c\`, \`--control\` and \`--registry\` are understood before and after the verb. Each is looked for on the
  command line, then in the environment (\`SLUICE_CONTROL\`, \`SLUICE_REGISTRY\`), then in the configuration;
  the control API's token in \`SLUICE_TOKEN\`, then in the configuration.
- Nothing ever asks a question: a verb that needs a yes says which option means it.
- Colour is for terminals; \`NO_COLOR\` and \`FORCE_COLOR\` decide where they are set.
`;

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
    'sluice abort',
    'sluice approve',
    'sluice check',
    'sluice consul',
    'sluice deploy',
    'sluice doctor',
    'sluice drain',
    'sluice events',
    'sluice gateways',
    'sluice history',
    'sluice instance',
    'sluice instance join',
    'sluice instance leave',
    'sluice kv',
    'sluice kv edit',
    'sluice kv export',
    'sluice kv get',
    'sluice kv import',
    'sluice kv ls',
    'sluice kv put',
    'sluice kv rm',
    'sluice kv tree',
    'sluice kv watch',
    'sluice logs',
    'sluice maint',
    'sluice pause',
    'sluice plan',
    'sluice registry',
    'sluice registry copy',
    'sluice registry repair',
    'sluice registry snapshot',
    'sluice registry snapshot restore',
    'sluice registry snapshot save',
    'sluice reload',
    'sluice resume',
    'sluice rollback',
    'sluice serve',
    'sluice show',
    'sluice status',
    'sluice stop',
    'sluice undrain',
    'sluice upgrade',
    'sluice weight',
    'sluice why',
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

/** docs/cli.md: the help of every verb, as the program prints it. */
function cliReference(): string {
  const program = createProgram();
  // Colour and the width of a terminal have no place on a page.
  const pages = [program, ...verbsOf(program)].map((command) => {
    let text = '';
    command.configureOutput({
      writeOut: (part) => {
        text += part;
      },
    });
    command.outputHelp();
    return `## \`${nameOf(command)}\`\n\n\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;
  });
  return [INTRODUCTION, ...pages].join('\n');
}

/** Every verb, nested ones after their parent. */
function verbsOf(command: Command): Command[] {
  return command.commands.flatMap((verb) => [verb, ...verbsOf(verb)]);
}
