// `sluice kv ls`: the records under a prefix.

import type { Command } from 'commander';
import type { KvEntry } from '../../../registry.ts';
import { print, printJson, table, visible, widthOf } from '../../output.ts';
import { recordOf, withRegistry } from './records.ts';

const VALUE_SHOWN_LENGTH = 60;

export function defineLs(verb: Command): void {
  verb
    .description('List the records under a prefix.')
    .argument('[prefix]', 'all when left out', '')
    .option('--keys', 'the keys alone, one per line')
    .option('--json', 'the records as JSON, their values in base64')
    .action((prefix: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry }, options) => {
        const { entries } = await registry.list(prefix);
        if (options.json === true) printJson(entries.map(recordOf));
        else if (options.keys === true)
          process.stdout.write(entries.map(({ key }) => `${key}\n`).join(''));
        else if (entries.length === 0) print(`no records under "${prefix}"`);
        else {
          const rows = entries.map((entry) => [
            visible(entry.key),
            entry.modifyIndex,
            valueShown(entry),
          ]);
          print(table([['KEY', 'INDEX', 'VALUE'], ...rows], widthOf(process.stdout)).join('\n'));
        }
      }),
    );
}

/** Cut on a terminal only; a pipe gets the whole value. */
function valueShown(entry: KvEntry): string {
  const text = visible(Buffer.from(entry.value).toString('utf8'));
  return process.stdout.isTTY && text.length > VALUE_SHOWN_LENGTH
    ? `${text.slice(0, VALUE_SHOWN_LENGTH)}…`
    : text;
}
