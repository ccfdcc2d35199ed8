// `sluice kv rm`: removes a record; all under a prefix need --recurse and --yes.

import type { Command } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import type { RecordStore } from '../../../registry.ts';
import { print, printJson } from '../../output.ts';
import { changedMeanwhile, type KvOptions, parseIndex, parseKey, withRegistry } from './records.ts';

export function defineRm(verb: Command): void {
  verb
    .description('Remove a record.')
    .argument('<key>', 'the key; a prefix with --recurse')
    .option('-r, --recurse', 'every record under the prefix; needs --yes')
    .option('--yes', 'yes, all of them')
    .option('--cas <index>', 'only if the record still has this ModifyIndex', parseIndex)
    .option('--json', 'print the result as JSON')
    .action((key: string, _: unknown, command: Command) =>
      withRegistry(command, ({ registry }, options) => remove(registry, key, options)),
    );
}

async function remove(registry: RecordStore, key: string, options: KvOptions): Promise<void> {
  let count: number;
  if (options.recurse === true) {
    count = (await registry.list(key)).entries.length;
    if (options.yes !== true) {
      throw new SluiceError(
        'usage',
        `this would remove ${count} records under "${key}"; add --yes to do it`,
      );
    }
    await registry.delete(key, { recurse: true });
  } else {
    const known = await registry.get(parseKey(key));
    if (known === undefined) {
      throw new SluiceError('not_found', `there is no key "${key}"; a prefix needs --recurse`);
    }
    count = 1;
    const isGone = await registry.delete(
      key,
      options.cas === undefined ? {} : { cas: options.cas },
    );
    if (!isGone) throw changedMeanwhile(key, options.cas);
  }
  if (options.json === true) printJson({ key, removed: count });
  else print(options.recurse === true ? `${key}: ${count} records removed` : `${key}: removed`);
}
