// `sluice kv put`: writes a value. Refuses a record of an upstream that no gateway would understand.

import type { Command } from 'commander';
import { print, printJson, standardInput, warn } from '../../output.ts';
import { changedMeanwhile, parseIndex, parseKey, withRegistry } from './records.ts';
import { remarksOn } from './remarks.ts';

/** Consul's own bound; checked here so that standard input cannot grow without end. */
const VALUE_BYTES_MAX = 512 * 1024;

export function definePut(verb: Command): void {
  verb
    .description('Write a value.')
    .argument('<key>', '', parseKey)
    .argument('<value>', 'the value, or - to read it from standard input')
    .option(
      '--cas <index>',
      'only if the record still has this ModifyIndex; 0: is absent',
      parseIndex,
    )
    .option('--force', 'also a server record that gateways will not understand')
    .option('--json', 'print the result as JSON')
    .action((key: string, text: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry, prefix }, options) => {
        const value = text === '-' ? await standardInput(VALUE_BYTES_MAX) : Buffer.from(text);
        const remarks = await remarksOn(key, value, { prefix, isForced: options.force === true });
        const isWritten = await registry.put(
          key,
          value,
          options.cas === undefined ? {} : { cas: options.cas },
        );
        if (!isWritten) throw changedMeanwhile(key, options.cas);
        if (options.json === true) printJson({ key, written: true, remarks });
        else print(`${key}: written`);
        for (const remark of remarks) warn(`${key}: ${remark}`);
      }),
    );
}
