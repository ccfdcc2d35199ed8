// The registry on disk: one SQLite file in the data directory, WAL, synchronous=FULL. It is written
// to and never read after the start. The only file that knows SQL.
//
// locking_mode=EXCLUSIVE: one process owns the directory (the kernel drops the lock when it dies,
// also by kill -9), and the WAL's index lives in our memory instead of a mapped file, which on a
// full disk would be a SIGBUS. Never open the database file otherwise in the same process: closing
// that descriptor would drop the lock.

import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import { createFolder } from '../../base/folder.ts';
import { FIRST_INDEX, KeyTable } from './key-table.ts';
import type { WriteGroup } from './write-group.ts';

const FORMAT = 1;
/** The log is cut back to this after it grew in a burst. */
const LOG_BYTES_KEPT = 16 * 1024 * 1024;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS record (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, flags TEXT NOT NULL,
    create_index INTEGER NOT NULL, modify_index INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS tombstone (
    key TEXT PRIMARY KEY, modify_index INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counter (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${FORMAT};`;

/** Result codes of SQLite that are treated apart. */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

export class Database {
  readonly #connection: DatabaseSync;
  readonly #statements: Statements;

  /** @throws data_dir_unusable */
  constructor(dataDir: string) {
    let connection: DatabaseSync | undefined;
    try {
      makeDirectory(dataDir);
      connection = new (sqlite())(join(dataDir, 'registry.db'));
      connection.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0');
      connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      connection.exec(`PRAGMA journal_size_limit = ${LOG_BYTES_KEPT}`);
      // A store that is there already opens without a write: a full disk must not keep it from serving.
      if (readFormat(connection) < FORMAT) connection.exec(`BEGIN EXCLUSIVE; ${SCHEMA} COMMIT`);
      writeOwner(dataDir);
      this.#statements = prepare(connection);
      this.#connection = connection;
    } catch (error) {
      closeQuietly(connection);
      throw unusable(dataDir, error);
    }
  }

  /** The whole content. @throws data_dir_unusable when a row is not what we write. */
  load(): KeyTable {
    const table = new KeyTable();
    const counter = (name: string): number =>
      Number(this.#statements.readCounter.get(name)?.['value'] ?? 0);
    table.index = Math.max(FIRST_INDEX, counter('index'));
    table.floor = counter('floor');
    table.records.setMany(
      this.#statements.readRecords.all().map((row) => {
        const key = String(row['key']);
        const value = row['value'];
        return [
          key,
          {
            key,
            value: value instanceof Uint8Array ? value : new Uint8Array(),
            flags: String(row['flags']),
            createIndex: Number(row['create_index']),
            modifyIndex: Number(row['modify_index']),
            lockIndex: 0,
          },
        ];
      }),
    );
    table.tombstones.setMany(
      this.#statements.readTombstones
        .all()
        .map((row) => [String(row['key']), Number(row['modify_index'])]),
    );
    return table;
  }

  /**
   * Writes what the group changed in one transaction; when it returns, the change is on the disk.
   * @throws storage_full, storage_failed: nothing of it is.
   */
  commit(writes: WriteGroup): void {
    try {
      try {
        this.#transact(writes);
      } catch (error) {
        if (sqliteCode(error) !== SQLITE_FULL) throw error;
        // Moving the log into the database file often makes the room that this write needs.
        this.#connection.exec('PRAGMA wal_checkpoint(TRUNCATE)');
        this.#transact(writes);
      }
    } catch (error) {
      throw failure(error);
    }
  }

  close(): void {
    closeQuietly(this.#connection);
  }

  #transact(writes: WriteGroup): void {
    this.#connection.exec('BEGIN IMMEDIATE');
    try {
      this.#write(writes);
      this.#connection.exec('COMMIT');
    } catch (error) {
      // On a full disk or an I/O error SQLite has often rolled back by itself.
      if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }

  #write(writes: WriteGroup): void {
    const { table } = writes;
    for (const key of writes.dirtyRecords) {
      const record = table.records.get(key);
      if (record === undefined) {
        this.#statements.deleteRecord.run(key);
      } else {
        const { value, flags, createIndex, modifyIndex } = record;
        this.#statements.writeRecord.run(key, value, flags, createIndex, modifyIndex);
      }
    }
    for (const key of writes.dirtyTombstones) {
      const index = table.tombstones.get(key);
      if (index === undefined) this.#statements.deleteTombstone.run(key);
      else this.#statements.writeTombstone.run(key, index);
    }
    this.#statements.writeCounter.run('index', table.index);
    this.#statements.writeCounter.run('floor', table.floor);
  }
}

type Statements = Readonly<Record<keyof typeof SQL, StatementSync>>;

const SQL = {
  readRecords: 'SELECT key, value, flags, create_index, modify_index FROM record',
  readTombstones: 'SELECT key, modify_index FROM tombstone',
  readCounter: 'SELECT value FROM counter WHERE name = ?',
  writeRecord: 'INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)',
  deleteRecord: 'DELETE FROM record WHERE key = ?',
  writeTombstone: 'INSERT OR REPLACE INTO tombstone VALUES (?, ?)',
  deleteTombstone: 'DELETE FROM tombstone WHERE key = ?',
  writeCounter: 'INSERT OR REPLACE INTO counter VALUES (?, ?)',
} as const;

function prepare(connection: DatabaseSync): Statements {
  return {
    readRecords: connection.prepare(SQL.readRecords),
    readTombstones: connection.prepare(SQL.readTombstones),
    readCounter: connection.prepare(SQL.readCounter),
    writeRecord: connection.prepare(SQL.writeRecord),
    deleteRecord: connection.prepare(SQL.deleteRecord),
    writeTombstone: connection.prepare(SQL.writeTombstone),
    deleteTombstone: connection.prepare(SQL.deleteTombstone),
    writeCounter: connection.prepare(SQL.writeCounter),
  };
}

/**
 * node:sqlite, loaded when the first store opens. Node 24 announces it as experimental on standard
 * error; it is our choice and not the operator's, so that one line is left out and no other.
 */
function sqlite(): typeof DatabaseSync {
  const { emitWarning } = process;
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (String(warning).includes('SQLite')) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    return process.getBuiltinModule('node:sqlite').DatabaseSync;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Creates the directory and makes it durable: a lost directory entry loses all in it. */
function makeDirectory(dataDir: string): void {
  const created = createFolder(dataDir);
  const from = created === undefined ? dataDir : dirname(created);
  for (let path = dataDir; ; path = dirname(path)) {
    const descriptor = openSync(path, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (path === from || path === dirname(path)) return;
  }
}

/** 0 in a new file. */
function readFormat(connection: DatabaseSync): number {
  const format = Number(connection.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (format > FORMAT) {
    throw new Error(`its format is ${format}, this version reads up to ${FORMAT}`);
  }
  const check = connection.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (check !== 'ok') throw new Error(`the database is damaged: ${String(check)}`);
  return format;
}

function unusable(dataDir: string, error: unknown): SluiceError {
  const at = `registry data_dir "${dataDir}"`;
  const details = { dataDir };
  if (sqliteCode(error) === SQLITE_BUSY) {
    const owner = readOwner(dataDir);
    return new SluiceError(
      'data_dir_unusable',
      `${at}: in use by ${owner === '' ? 'another process' : `process ${owner}`}; ` +
        'stop that process or set another registry.embedded.data_dir',
      { cause: error, details: { ...details, pid: Number(owner) } },
    );
  }
  return new SluiceError('data_dir_unusable', `${at}: ${messageOf(error)}; ${remedy(error)}`, {
    cause: error,
    details,
  });
}

function remedy(error: unknown): string {
  const code = systemCode(error);
  if (code === 'EACCES' || code === 'EROFS') return 'make it writable for this user';
  // Nobody should move good data away for want of space.
  if (code === 'ENOSPC' || sqliteCode(error) === SQLITE_FULL) return 'free some space';
  return 'restore it from a copy, or move it away to start empty';
}

/** For the message that a second process gets; the lock is SQLite's. */
function writeOwner(dataDir: string): void {
  try {
    writeFileSync(join(dataDir, 'pid'), `${process.pid}\n`);
  } catch (error) {
    if (systemCode(error) !== 'ENOSPC') throw error; // The folder is not ours to write to.
  }
}

function readOwner(dataDir: string): string {
  try {
    return readFileSync(join(dataDir, 'pid'), 'utf8').trim();
  } catch {
    return ''; // The owner is between its lock and its first line.
  }
}

function failure(error: unknown): SluiceError {
  if (sqliteCode(error) === SQLITE_FULL) {
    return new SluiceError(
      'storage_full',
      'registry: the disk is full, the write was refused and nothing changed; free some space',
      { cause: error },
    );
  }
  return new SluiceError(
    'storage_failed',
    `registry: the disk refused the write (${messageOf(error)}), nothing changed; check the disk`,
    { cause: error },
  );
}

/** The primary result code of SQLite, 0 when the error is not one of SQLite's. */
function sqliteCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
}

function closeQuietly(connection: DatabaseSync | undefined): void {
  try {
    connection?.close();
  } catch {
    // Nothing is left to save: what was acknowledged is in the log.
  }
}
