// The SQL of reading and writing rows.

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type State, stateRow } from './rows.ts';

const COLUMNS =
  'family, key, value, flags, create_index, modify_index, lock_index, session, checksum';

/** As they stand in the file. */
export const READ_ENTRIES = `SELECT ${COLUMNS} FROM entry`;
/** From its end: in a file of format 3, and of 2. */
export const READ_ENTRIES_BACKWARDS = [
  `${READ_ENTRIES} ORDER BY create_index DESC, family DESC, key DESC`,
  `${READ_ENTRIES} ORDER BY family DESC, key DESC`,
];
export const READ_STATE =
  'SELECT id, last_index, floor, entries, sum, checksum FROM state WHERE id = 1';
export const WRITE_ENTRY = `INSERT OR REPLACE INTO entry (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const WRITE_STATE = `INSERT OR REPLACE INTO state (id, last_index, floor, entries, sum, checksum)
  VALUES (?, ?, ?, ?, ?, ?)`;

export type Statements = {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly writeEntry: StatementSync;
  readonly deleteEntry: StatementSync;
  readonly writeState: StatementSync;
};

export function prepareStatements(connection: DatabaseSync): Statements {
  return {
    begin: connection.prepare('BEGIN IMMEDIATE'),
    commit: connection.prepare('COMMIT'),
    writeEntry: connection.prepare(WRITE_ENTRY),
    deleteEntry: connection.prepare(
      'DELETE FROM entry WHERE create_index = ? AND family = ? AND key = ?',
    ),
    writeState: connection.prepare(WRITE_STATE),
  };
}

export function writeState(connection: DatabaseSync, state: State): void {
  connection.prepare(WRITE_STATE).run(...stateRow(state));
}
