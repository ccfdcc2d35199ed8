// The registry on disk: one SQLite file in the data directory, WAL, synchronous=FULL. It is read when
// it is opened, every row against its checksum, and from then on only written.
//
// locking_mode=EXCLUSIVE: one process owns the directory (the kernel drops the lock when it dies,
// also by kill -9), and the WAL's index lives in our memory instead of a mapped file, which on a
// full disk would be a SIGBUS. Never open the database file otherwise in the same process: closing
// that descriptor would drop the lock.

import type { DatabaseSync } from 'node:sqlite';
import type { Entry } from '../entry.ts';
import type { KeyTable } from '../key-table.ts';
import type { WriteGroup } from '../write-group.ts';
import { closeQuietly, makeDirectory, openConnection, readOwner } from './connection.ts';
import { type Acknowledged, LAST_INDEX_FILE, LastIndexFile, readLastIndex } from './last-index.ts';
import { loadTable } from './load.ts';
import {
  addToSum,
  checksumOf,
  rowOf,
  stateRow,
  TOMBSTONE,
  takeFromSum,
  tombstoneEntry,
} from './rows.ts';
import { Spare } from './spare.ts';
import { prepareStatements, type Statements } from './statements.ts';
import { isFull, unusable, writeFailure } from './trouble.ts';

type Sum = { readonly entries: number; readonly sum: number };

export class Database {
  /** The content as it was opened; whoever writes goes on with it. */
  readonly table: KeyTable;
  /** What the operator should hear of although the database is good; '' = nothing. */
  readonly remark: string;
  readonly #connection: DatabaseSync;
  readonly #statements: Statements;
  readonly #lastIndex: LastIndexFile;
  readonly #spare: Spare;
  #sum: Sum;

  /** @throws data_dir_unusable */
  constructor(dataDir: string) {
    let connection: DatabaseSync | undefined;
    try {
      makeDirectory(dataDir);
      const acknowledged = readLastIndex(dataDir);
      connection = openConnection(dataDir, acknowledged);
      const { table, entries, sum } = loadTable(connection, acknowledged);
      this.table = table;
      this.#sum = { entries, sum };
      this.#statements = prepareStatements(connection);
      this.#connection = connection;
      this.#lastIndex = new LastIndexFile(dataDir, table.index);
      this.#spare = new Spare(dataDir);
      this.remark = remarkOn(acknowledged);
    } catch (error) {
      closeQuietly(connection);
      throw unusable(dataDir, error, () => readOwner(dataDir));
    }
  }

  /**
   * Writes what the group changed in one transaction; when it returns, the change is on the disk.
   * @throws storage_full, storage_failed: nothing of it is.
   */
  commit(writes: WriteGroup): void {
    try {
      this.#commit(writes);
    } catch (error) {
      throw writeFailure(error);
    }
    this.#lastIndex.write(writes.table.index);
    if (!writes.onlyRemoves) this.#spare.refill();
  }

  close(): void {
    this.#lastIndex.close();
    closeQuietly(this.#connection);
  }

  #commit(writes: WriteGroup): void {
    try {
      this.#transact(writes);
      return;
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    try {
      this.#shortenLog();
      this.#transact(writes);
    } catch (error) {
      if (!isFull(error) || !writes.onlyRemoves || !this.#spare.free()) throw error;
      this.#shortenLog();
      this.#transact(writes);
    }
  }

  /** Moving the log into the database file often makes the room that a write needs. */
  #shortenLog(): void {
    try {
      this.#connection.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      if (!isFull(error)) throw error; // No room for that either; the write may still fit.
    }
  }

  #transact(writes: WriteGroup): void {
    this.#statements.begin.run();
    try {
      const sum = this.#write(writes);
      this.#statements.commit.run();
      this.#sum = sum;
    } catch (error) {
      // On a full disk or an I/O error SQLite has often rolled back by itself.
      if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }

  #write(writes: WriteGroup): Sum {
    const { table } = writes;
    const { writeEntry, deleteEntry, writeState } = this.#statements;
    let { entries, sum } = this.#sum;
    const replace = (family: string, key: string, before?: Entry, after?: Entry): void => {
      if (before !== undefined) {
        entries--;
        sum = takeFromSum(sum, checksumOf(family, before));
      }
      // Otherwise the new row takes the place of the old one.
      if (before !== undefined && before.createIndex !== after?.createIndex) {
        deleteEntry.run(before.createIndex, family, key);
      }
      if (after === undefined) return;
      const row = rowOf(family, after);
      entries++;
      sum = addToSum(sum, row[8]);
      writeEntry.run(...row);
    };
    for (const [family, keys] of writes.dirty) {
      const now = table.family(family);
      for (const [key, before] of keys) replace(family, key, before, now.get(key));
    }
    const tombstone = (key: string, index: number | undefined): Entry | undefined =>
      index === undefined ? undefined : tombstoneEntry(key, index);
    for (const [key, before] of writes.dirtyTombstones) {
      replace(TOMBSTONE, key, tombstone(key, before), tombstone(key, table.tombstones.get(key)));
    }
    writeState.run(...stateRow({ index: table.index, floor: table.floor, entries, sum }));
    return { entries, sum };
  }
}

function remarkOn(acknowledged: Acknowledged): string {
  return acknowledged === 'unreadable'
    ? `the file ${LAST_INDEX_FILE} was damaged and is written anew; the records are intact`
    : '';
}
