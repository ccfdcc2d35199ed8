// A store whose process does not run: restored from a snapshot, or repaired, also when it is damaged.
// What was there is moved aside and not thrown away.

import type { Log } from '../../base/log.ts';
import { replaceContent, unpackArchive } from './archive.ts';
import { isDamage, salvage, setAside } from './disk.ts';
import { KV } from './entry.ts';
import { openStore } from './store.ts';

type Stopped = { readonly dataDir: string; readonly log: Log };

export type Repair = {
  /** Where the damaged files are now; '' = nothing was damaged. */
  readonly folder: string;
  /** Records of the KV that were kept. */
  readonly kept: number;
  /** Keys of entries that are lost, as far as they can be read. */
  readonly damaged: readonly string[];
};

/**
 * Keeps what can be read of a damaged store. One that is good is left alone.
 * @throws data_dir_unusable for anything but damage: in use, not writable, …
 */
export async function repairStore({ dataDir, log }: Stopped): Promise<Repair> {
  try {
    const store = openStore({ dataDir, log });
    const kept = store.table.records.size;
    store.close();
    return { folder: '', kept, damaged: [] };
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  const { index, rows, damaged } = salvage(dataDir);
  const folder = setAside(dataDir, Date.now());
  const store = openStore({ dataDir, log });
  try {
    await store.transact((writes) => replaceContent(writes, { index, floor: 0, rows }));
  } finally {
    store.close();
  }
  return { folder, kept: rows.filter(([family]) => family === KV).length, damaged };
}

/**
 * Puts the content of a snapshot in the place of what is there, damaged or not. Returns where damaged
 * files are now, '' when there were none.
 * @throws usage when it is no snapshot: nothing changed; data_dir_unusable as above
 */
export async function restoreStopped(
  { dataDir, log }: Stopped,
  source: AsyncIterable<Uint8Array>,
): Promise<string> {
  const archived = await unpackArchive(source);
  let folder = '';
  let index = 0;
  let store: ReturnType<typeof openStore>;
  try {
    store = openStore({ dataDir, log });
  } catch (error) {
    if (!isDamage(error)) throw error;
    ({ index } = salvage(dataDir));
    folder = setAside(dataDir, Date.now());
    store = openStore({ dataDir, log });
  }
  try {
    const highest = Math.max(index, archived.index);
    await store.transact((writes) => replaceContent(writes, { ...archived, index: highest }));
  } finally {
    store.close();
  }
  return folder;
}
