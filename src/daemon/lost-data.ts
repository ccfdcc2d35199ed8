// An embedded registry whose whole data folder is gone. The store itself would begin an empty one, as for
// a registry that never was: its own record of what it had is in the same folder. The daemon's memory is
// beside it, and says that there was one.

import { statSync } from 'node:fs';
import { SluiceError } from '../base/errors.ts';
import type { Config } from '../config.ts';
import type { Memory } from '../snapshot.ts';

/** The data folders of the embedded registries of this configuration. */
export function dataDirsOf({ registry, registries }: Config): readonly string[] {
  return [registry, ...registries].flatMap(({ settings }) =>
    settings.kind === 'embedded' ? [settings.dataDir] : [],
  );
}

/** @throws data_dir_unusable */
export function refuseLostData(
  config: Config,
  { dataDirs = [] }: Memory,
  memoryFile: string,
): void {
  for (const dataDir of dataDirsOf(config)) {
    const isThere = statSync(dataDir, { throwIfNoEntry: false }) !== undefined;
    if (isThere || !dataDirs.includes(dataDir)) continue;
    throw new SluiceError(
      'data_dir_unusable',
      `registry data ${dataDir}: the folder is gone, but a registry was there (${memoryFile}); ` +
        `put the folder back or restore it from a snapshot, or create an empty one to start empty on purpose`,
    );
  }
}
