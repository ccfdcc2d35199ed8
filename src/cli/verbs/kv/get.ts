// `sluice kv get`: the value of one key.

import type { Command } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import { print, printJson } from '../../output.ts';
import { parseKey, recordOf, withRegistry } from './records.ts';

export function defineGet(verb: Command): void {
  verb
    .description('Print the value of a key.')
    .argument('<key>', '', parseKey)
    .option('--raw', 'the bytes alone, with no line end added')
    .option('--json', 'the whole record, its value in base64')
    .action((key: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry }, options) => {
        const entry = await registry.get(key);
        if (entry === undefined)
          throw new SluiceError('not_found', `there is no key "${key}"; see "sluice kv ls"`);
        if (options.json === true) printJson(recordOf(entry));
        else if (options.raw === true) process.stdout.write(entry.value);
        else print(Buffer.from(entry.value).toString('utf8'));
      }),
    );
}
