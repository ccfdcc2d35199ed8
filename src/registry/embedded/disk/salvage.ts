// What can still be read of a damaged database, row by row; and its files moved aside, so that another
// can take their place and nothing is thrown away.

import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DATABASE_FILE, openAsItIs } from './connection.ts';
import { LAST_INDEX_FILE, readLastIndex } from './last-index.ts';
import { nameOf, readState } from './load.ts';
import { isIntact, type Row } from './rows.ts';
import { READ_ENTRIES, READ_ENTRIES_BACKWARDS } from './statements.ts';

export type Salvage = {
  /** The highest index that is known to have been used. */
  readonly index: number;
  /** Rows that are what was written. */
  readonly rows: readonly Row[];
  /** Keys of rows that are not, as they can be read. */
  readonly damaged: readonly string[];
};

/** Never throws for what is wrong with the file: then there is less. */
export function salvage(dataDir: string): Salvage {
  const acknowledged = readLastIndex(dataDir);
  let index = typeof acknowledged === 'number' ? acknowledged : 0;
  const rows = new Map<string, Row>();
  const damaged = new Set<string>();
  const path = join(dataDir, DATABASE_FILE);
  const connection = existsSync(path) ? openAsItIs(path) : undefined;
  // A page that cannot be read ends the walk: from the other end it is reached from behind.
  for (const sql of connection === undefined ? [] : [READ_ENTRIES, ...READ_ENTRIES_BACKWARDS]) {
    try {
      const statement = connection?.prepare(sql);
      statement?.setReturnArrays(true);
      for (const row of statement?.iterate() ?? []) {
        const fields: unknown = row;
        if (!Array.isArray(fields) || !isIntact(fields)) damaged.add(nameOf(fields));
        else rows.set(`${fields[0]}\0${fields[1]}`, fields);
      }
      break;
    } catch {
      // The rest of it is lost; what was read so far is not.
    }
  }
  try {
    index = Math.max(index, connection === undefined ? 0 : (readState(connection)?.index ?? 0));
    connection?.close();
  } catch {
    // The rows have indexes as well.
  }
  for (const row of rows.values()) index = Math.max(index, row[5]);
  return { index, rows: [...rows.values()], damaged: [...damaged] };
}

/** Returns the folder in which they are now. */
export function setAside(dataDir: string, wallMs: number): string {
  const folder = join(dataDir, `damaged-${new Date(wallMs).toISOString().replaceAll(':', '')}`);
  mkdirSync(folder, { mode: 0o700 });
  for (const file of [DATABASE_FILE, `${DATABASE_FILE}-wal`, LAST_INDEX_FILE]) {
    const path = join(dataDir, file);
    if (existsSync(path)) renameSync(path, join(folder, file));
  }
  return folder;
}
