// Where the registry of this machine keeps its data, for verbs that work on it while it does not run.

import { resolve } from 'node:path';
import { configOf, type GlobalOptions } from '../../client/target.ts';

export type DataOptions = GlobalOptions & { readonly dataDir?: string };

/** --data-dir, else what the file says; undefined when its registry is none of ours. */
export async function dataDirOf(options: DataOptions): Promise<string | undefined> {
  if (options.dataDir !== undefined) return resolve(options.dataDir);
  const { settings } = (await configOf(options)).registry;
  return settings.kind === 'embedded' ? settings.dataDir : undefined;
}
