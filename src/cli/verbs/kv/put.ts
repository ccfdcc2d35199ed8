// `sluice kv put`: writes a value. Refuses a record of an upstream that no gateway would understand.

import type { Command } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import { print, printJson, visible, warn } from '../../output.ts';
import { changedMeanwhile, parseIndex, parseKey, withRegistry } from './records.ts';

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
        const value = text === '-' ? await standardInput() : Buffer.from(text);
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

/**
 * What gateways will report of the record. A record that they cannot read is refused: they would keep
 * the server's last good state instead. One that they read with a remark is written.
 */
async function remarksOn(
  key: string,
  value: Buffer,
  { prefix, isForced }: { readonly prefix: string; readonly isForced: boolean },
): Promise<readonly string[]> {
  if (!key.startsWith(prefix) || key.endsWith('/')) return [];
  const { readInstance } = await import('../../../registry.ts');
  const read = readInstance(key, value, prefix);
  const problems = 'problem' in read ? [read.problem] : read.problems;
  const isRead = 'instance' in read && read.unreadable.length === 0 && !read.breaksUpsync;
  const messages = problems.map(({ message }) => visible(message));
  if (isForced || isRead) return messages;
  throw new SluiceError(
    'usage',
    `${key}: nothing was written; gateways would report: ${messages.join('; ')} (--force writes it as it is)`,
  );
}

async function standardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > VALUE_BYTES_MAX) {
      throw new SluiceError(
        'too_large',
        `the value is over ${VALUE_BYTES_MAX} bytes; the registry takes no more`,
      );
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
