// Opens the database file of a data directory: creates it, refuses one that was lost, migrates an old
// one, and sees to it that one process has it.

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { createFolder } from '../../../base/folder.ts';
import { FIRST_INDEX } from '../key-table.ts';
import { type Acknowledged, LAST_INDEX_FILE } from './last-index.ts';
import { migrateFrom1 } from './migration.ts';
import { SCHEMA } from './rows.ts';
import { writeState } from './statements.ts';
import { Damage, isFull } from './trouble.ts';

export const DATABASE_FILE = 'registry.db';
/** Its rows stand by creation, those of format 2 by key: else they are the same, and both are used as they are. */
const FORMAT = 3;
const FORMAT_BY_KEY = 2;
/** The log is cut back to this after it grew in a burst. */
const LOG_BYTES_KEPT = 16 * 1024 * 1024;

/** @throws what the system or SQLite says, Damage */
export function openConnection(dataDir: string, acknowledged: Acknowledged): DatabaseSync {
  const path = join(dataDir, DATABASE_FILE);
  refuseReadOnly([dataDir, path, `${path}-wal`]);
  refuseLost(path, acknowledged);
  const connection = new (sqlite())(path);
  try {
    connection.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0');
    connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    connection.exec(`PRAGMA journal_size_limit = ${LOG_BYTES_KEPT}`);
    prepareFormat(connection);
    writeOwner(dataDir);
    return connection;
  } catch (error) {
    closeQuietly(connection);
    throw error;
  }
}

/** For reading what is left of it; undefined when that is nothing. */
export function openAsItIs(path: string): DatabaseSync | undefined {
  try {
    return new (sqlite())(path);
  } catch {
    return undefined;
  }
}

export function closeQuietly(connection: DatabaseSync | undefined): void {
  try {
    connection?.close();
  } catch {
    // Nothing is left to save: what was acknowledged is in the log.
  }
}

/** SQLite would say "disk I/O error". @throws EACCES, EROFS */
function refuseReadOnly(paths: readonly string[]): void {
  for (const path of paths) if (existsSync(path)) accessSync(path, constants.W_OK);
}

/**
 * An empty start is only for a registry that never was. SQLite would create the missing file, and
 * throw a log away that has no database any more.
 */
function refuseLost(path: string, acknowledged: Acknowledged): void {
  const bytes = sizeOf(path);
  if (bytes !== undefined && bytes > 0) return;
  const what = bytes === undefined ? `${DATABASE_FILE} is missing` : `${DATABASE_FILE} is empty`;
  const had =
    acknowledged === 'unreadable' || (acknowledged !== 'absent' && acknowledged > FIRST_INDEX);
  if (had) {
    throw new Damage(
      `${what}, but a registry was here (${LAST_INDEX_FILE}: ${acknowledged}); put the file back, ` +
        `or delete ${LAST_INDEX_FILE} to start empty on purpose`,
    );
  }
  if ((sizeOf(`${path}-wal`) ?? 0) > 0) {
    throw new Damage(
      `${what}, but its log ${DATABASE_FILE}-wal is here; put the file back, ` +
        'or delete the log to start empty on purpose',
    );
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** A store that is there already opens without a write: a full disk must not keep it from serving. */
function prepareFormat(connection: DatabaseSync): void {
  const format = Number(connection.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (format > FORMAT) {
    throw new Error(
      `its format is ${format} and this version reads up to ${FORMAT}: a newer version wrote it, or its first page is damaged`,
    );
  }
  const check = connection.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (check !== 'ok') throw new Damage(`the database is damaged: ${String(check)}`);
  if (format === FORMAT || format === FORMAT_BY_KEY) return;
  const tables = connection.prepare('SELECT name FROM sqlite_schema').all();
  const names = tables.map(({ name }) => String(name));
  if (names.includes('entry') || names.includes('record') !== (format === 1)) {
    throw new Damage(`the database is damaged: format ${format} does not fit its tables`);
  }
  connection.exec('BEGIN EXCLUSIVE');
  if (format === 1) {
    migrateFrom1(connection);
  } else {
    connection.exec(SCHEMA);
    writeState(connection, { index: FIRST_INDEX, floor: 0, entries: 0, sum: 0 });
  }
  connection.exec(`PRAGMA user_version = ${FORMAT}; COMMIT`);
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
export function makeDirectory(dataDir: string): void {
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

/** For the message that a second process gets; the lock is SQLite's. */
function writeOwner(dataDir: string): void {
  try {
    writeFileSync(join(dataDir, 'pid'), `${process.pid}\n`);
  } catch (error) {
    if (!isFull(error)) throw error; // The folder is not ours to write to.
  }
}

export function readOwner(dataDir: string): string {
  try {
    return readFileSync(join(dataDir, 'pid'), 'utf8').trim();
  } catch {
    return ''; // The owner is between its lock and its first line.
  }
}
