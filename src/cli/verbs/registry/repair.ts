// `sluice registry repair`: what can still be read of a damaged embedded registry is kept.

import type { Command } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import { print, printJson } from '../../output.ts';
import { type DataOptions, dataDirOf } from './stopped.ts';

export function defineRepair(verb: Command): void {
  verb
    .description('Keep what can still be read of a damaged embedded registry, which must not run.')
    .option('--data-dir <folder>', 'default: registry.embedded.data_dir, .sluice/registry')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Only for a registry that refuses to start because its data is damaged: a good
one is left alone. The damaged files are moved into a folder beside. What is
lost is named as far as it can be read. Better, if there is one, is a snapshot:
sluice registry snapshot restore FILE.

Example:
  $ sluice registry repair --data-dir /var/lib/sluice`,
    )
    .action(async (_: unknown, command: Command) => repair(command.optsWithGlobals<DataOptions>()));
}

async function repair(options: DataOptions): Promise<void> {
  const dataDir = await dataDirOf(options);
  if (dataDir === undefined) {
    throw new SluiceError('usage', 'the configured registry is not embedded; name a --data-dir');
  }
  const { silentLog } = await import('../../../base/log.ts');
  const { repairStore } = await import('../../../registry.ts');
  const { folder, kept, damaged } = await repairStore({ dataDir, log: silentLog });
  if (options.json === true) {
    printJson({ folder, kept, damaged });
    return;
  }
  if (folder === '') {
    print(`${dataDir}: nothing is damaged (${kept} records)`);
    return;
  }
  print(`${dataDir}: ${kept} records kept; the damaged files are in ${folder}`);
  for (const key of damaged) print(`damaged and lost: ${JSON.stringify(key)}`);
  print('Rows that could not be read at all cannot be named: compare with what you expect.');
}
