// docs/cli.md: the help of every verb, as the program prints it. A test compares the page.

import type { Command } from 'commander';
import { createProgram, nameOf } from './program.ts';

export function cliReference(): string {
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
export function verbsOf(command: Command): Command[] {
  return command.commands.flatMap((verb) => [verb, ...verbsOf(verb)]);
}

const INTRODUCTION = `# Command line

<!-- Written by cliReference() in src/cli/reference.ts; a test compares.
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
