// The embedded registry's store. Writes that wait in the same turn of the event loop share one
// transaction (one fsync), and each is acknowledged only after it; reads and watches come from
// memory. A commit that the disk refuses changes nothing in memory and rejects its writes; the next
// write simply tries again, so the store recovers by itself when there is space.

import type { Readable } from 'node:stream';
import { isSluiceError, messageOf, SluiceError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { VALUE_BYTES_MAX } from '../record-key.ts';
import type { DeleteOptions, KvState, PutOptions } from '../record-store.ts';
import { freeze, packArchive, replaceContent, unpackArchive } from './archive.ts';
import { Database } from './disk.ts';
import type { Entry } from './entry.ts';
import type { KeyTable } from './key-table.ts';
import { type Changed, WriteGroup } from './write-group.ts';

/** Writes that share one transaction at most: bounds how long one commit blocks the event loop. */
const GROUP_MAX = 1000;
/** Least time between two attempts to reopen a database after an I/O error. */
const REOPEN_MS = 500;
export const KEY_BYTES_MAX = 4096;

/** @throws storage_full, storage_failed, too_large from every write; a refused write changed nothing. */
export interface Store {
  /** The index of the last change. Persisted; never falls. */
  readonly index: number;
  read(key: string): Entry | undefined;
  /** Live: changes with every committed write. For queries that know the index rules. */
  readonly table: KeyTable;
  list(prefix: string): KvState;
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<boolean>;
  delete(key: string, options?: DeleteOptions): Promise<boolean>;
  /** Runs `work` inside the next group; what it changed becomes durable as one, or, if it throws, is undone. */
  transact<Result>(work: (writes: WriteGroup) => Result): Promise<Result>;
  /** After each commit, with what it changed. Returns the way to stop. */
  onChange(listener: ChangeListener): () => void;
  /** The whole content as of now, packed; writes go on. The stream is the caller's to read or destroy. */
  save(): { readonly index: number; readonly stream: Readable };
  /**
   * Replaces the whole content by one that was saved. Returns the index of that change.
   * @throws usage when it is no snapshot, cut or damaged: nothing changed
   */
  restore(source: AsyncIterable<Uint8Array>): Promise<number>;
  close(): void;
}

/** `all`: the whole content may be another one. */
export type ChangeListener = (changes: readonly Changed[] | 'all') => void;

/** Opens the store, creating the directory. @throws data_dir_unusable */
export function openStore(options: { readonly dataDir: string; readonly log: Log }): Store {
  return new SqliteStore(options.dataDir, options.log);
}

type Waiting = {
  readonly work: (writes: WriteGroup) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type WriteEnd = { readonly value: unknown } | { readonly error: unknown };

class SqliteStore implements Store {
  table: KeyTable;
  readonly #dataDir: string;
  readonly #log: Log;
  readonly #listeners = new Set<ChangeListener>();
  #database: Database | undefined;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #closed = false;
  /** The last commit's failure, undefined when it went well. */
  #trouble: SluiceError | undefined;
  #reopenAtMs = 0;

  constructor(dataDir: string, log: Log) {
    this.#dataDir = dataDir;
    this.#log = log;
    this.#database = new Database(dataDir);
    this.table = this.#database.table;
    if (this.#database.remark !== '') log.warn({ data_dir: dataDir }, this.#database.remark);
  }

  get index(): number {
    return this.table.index;
  }

  read(key: string): Entry | undefined {
    return this.table.records.get(key);
  }

  list(prefix: string): KvState {
    return { index: this.table.prefixIndex(prefix), entries: this.table.records.values(prefix) };
  }

  put(key: string, value: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    return this.transact((writes) => {
      checkRecordSize(key, value);
      if (options.cas !== undefined && (writes.read(key)?.modifyIndex ?? 0) !== options.cas) {
        return false;
      }
      writes.put(key, value, options.flags ?? '0');
      return true;
    });
  }

  delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    return this.transact((writes) => {
      if (options.recurse === true) {
        writes.removeTree(key);
        return true;
      }
      const record = writes.read(key);
      if (record === undefined) return true;
      if (options.cas !== undefined && record.modifyIndex !== options.cas) return false;
      writes.remove(key);
      return true;
    });
  }

  transact<Result>(work: (writes: WriteGroup) => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new SluiceError('storage_failed', 'registry: closed, the write was refused'));
        return;
      }
      // The value that comes back is the one that `work` returned: Result.
      this.#waiting.push({ work, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  save(): { readonly index: number; readonly stream: Readable } {
    const frozen = freeze(this.table);
    return { index: frozen.index, stream: packArchive(frozen, Date.now()) };
  }

  async restore(source: AsyncIterable<Uint8Array>): Promise<number> {
    const archived = await unpackArchive(source);
    return this.transact((writes) => replaceContent(writes, archived));
  }

  close(): void {
    if (this.#closed) return;
    while (this.#waiting.length > 0) this.#flush();
    this.#closed = true;
    this.#database?.close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closed || this.#waiting.length === 0) return;
    const group = this.#waiting.splice(0, GROUP_MAX);
    if (this.#waiting.length > 0) this.#schedule();
    const failed = this.#commit(group);
    if (failed === undefined) return;
    // One large value must not take its small neighbours down with it.
    if (failed.code === 'storage_full' && group.length > 1) {
      for (const waiting of group) {
        const alone = this.#commit([waiting]);
        if (alone !== undefined) waiting.reject(alone);
      }
      return;
    }
    for (const { reject } of group) reject(failed);
  }

  /** Commits the group and settles its writes, or returns why none of it happened. */
  #commit(group: readonly Waiting[]): SluiceError | undefined {
    const database = this.#ready();
    if (isSluiceError(database)) return database;
    const writes = new WriteGroup(this.table);
    const outcomes = group.map((waiting) => run(waiting, writes));
    if (!writes.isEmpty) {
      writes.trim();
      const failed = this.#write(database, writes);
      if (failed !== undefined) {
        writes.undo();
        return failed;
      }
    }
    group.forEach((waiting, at) => {
      const outcome = outcomes[at];
      if (outcome === undefined || 'error' in outcome) waiting.reject(outcome?.error);
      else waiting.resolve(outcome.value);
    });
    if (!writes.isEmpty) this.#tell(writes.isReplaced ? 'all' : writes.changes);
    return undefined;
  }

  #tell(changes: readonly Changed[] | 'all'): void {
    for (const listener of this.#listeners) listener(changes);
  }

  #write(database: Database, writes: WriteGroup): SluiceError | undefined {
    try {
      database.commit(writes);
    } catch (error) {
      if (isSluiceError(error)) return this.#failed(error);
      throw error;
    }
    if (this.#trouble !== undefined) {
      this.#trouble = undefined;
      this.#log.info({ data_dir: this.#dataDir }, 'registry accepts writes again');
    }
    return undefined;
  }

  /** Said aloud once per change of state. */
  #failed(error: SluiceError): SluiceError {
    if (this.#trouble?.code !== error.code) {
      this.#log.error(
        { data_dir: this.#dataDir, code: error.code, reason: error.message },
        'registry cannot write',
      );
    }
    this.#trouble = error;
    if (error.code !== 'storage_full') {
      // After an I/O error what the file holds is unknown: read it again before the next write.
      this.#database?.close();
      this.#database = undefined;
      this.#reopenAtMs = performance.now() + REOPEN_MS;
    }
    return error;
  }

  /** Reopens the database after an I/O error; says why not when that is not possible yet. */
  #ready(): Database | SluiceError {
    if (this.#database !== undefined) return this.#database;
    if (this.#trouble !== undefined && performance.now() < this.#reopenAtMs) return this.#trouble;
    this.#reopenAtMs = performance.now() + REOPEN_MS;
    try {
      const database = new Database(this.#dataDir);
      const loaded = database.table;
      if (loaded.index < this.table.index) {
        database.close();
        throw new Error(`it is at index ${loaded.index}, acknowledged was ${this.table.index}`);
      }
      this.#database = database;
      if (loaded.index > this.table.index) {
        // A write that we reported as failed reached the disk after all: it is the truth now.
        this.table = loaded;
        this.#tell('all');
      }
      return database;
    } catch (error) {
      return this.#failed(
        new SluiceError(
          'storage_failed',
          `registry: the database cannot be reopened (${messageOf(error)}), the write was refused; check the disk`,
          { cause: error },
        ),
      );
    }
  }
}

function run(waiting: Waiting, writes: WriteGroup): WriteEnd {
  const mark = writes.begin();
  try {
    return { value: waiting.work(writes) };
  } catch (error) {
    writes.undo(mark);
    return { error };
  }
}

/** @throws too_large */
export function checkRecordSize(key: string, value: Uint8Array): void {
  const keyBytes = Buffer.byteLength(key);
  if (keyBytes === 0 || keyBytes > KEY_BYTES_MAX) {
    throw new SluiceError(
      'too_large',
      `key: ${keyBytes} bytes, allowed are 1 to ${KEY_BYTES_MAX}; choose a shorter one`,
    );
  }
  if (value.length > VALUE_BYTES_MAX) {
    throw new SluiceError(
      'too_large',
      `key "${key}": value of ${value.length} bytes, at most ${VALUE_BYTES_MAX}; store it elsewhere`,
    );
  }
}
