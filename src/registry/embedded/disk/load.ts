// Reads the whole database into memory and compares it with what was written: each row with its
// checksum, all rows with their sum, the last index with the one that was acknowledged.

import type { DatabaseSync } from 'node:sqlite';
import { KV } from '../entry.ts';
import { FIRST_INDEX, KeyTable } from '../key-table.ts';
import { type Acknowledged, LAST_INDEX_FILE } from './last-index.ts';
import { addToSum, entryOf, isIntact, type State, stateOf, TOMBSTONE } from './rows.ts';
import { READ_ENTRIES, READ_STATE } from './statements.ts';
import { Damage } from './trouble.ts';

/** Damaged records that a message names. */
const NAMED_MAX = 10;

export type Loaded = {
  readonly table: KeyTable;
  readonly entries: number;
  readonly sum: number;
};

/** @throws Damage, what SQLite says */
export function loadTable(connection: DatabaseSync, acknowledged: Acknowledged): Loaded {
  const state = readState(connection);
  const read = readAll(connection);
  const { table, entries, sum, damaged } = read;
  if (damaged.length > 0) throw new Damage(damagedText(damaged));
  if (state === undefined) throw new Damage('its counters are damaged');
  if (entries !== state.entries || sum !== state.sum) {
    throw new Damage(
      entries === state.entries
        ? 'a record was replaced by an older one'
        : `${state.entries} records were written and ${entries} are there: some are ${entries < state.entries ? 'lost' : 'doubled'}`,
    );
  }
  if (typeof acknowledged === 'number' && acknowledged > state.index) {
    throw new Damage(
      `it ends at index ${state.index}, but writes up to index ${acknowledged} were acknowledged ` +
        `(${LAST_INDEX_FILE}): the newest are lost, or an older copy was put here`,
    );
  }
  table.index = state.index;
  table.floor = state.floor;
  // Of tombstones that were dropped the floor has the index.
  table.kvIndex = Math.max(table.kvIndex, state.floor);
  return { table, entries, sum };
}

/** With the keys whose rows are not what was written, as they can be read. */
function readAll(connection: DatabaseSync): Loaded & { readonly damaged: readonly string[] } {
  const table = new KeyTable();
  const damaged: string[] = [];
  let entries = 0;
  let sum = 0;
  let kvIndex = FIRST_INDEX;
  const statement = connection.prepare(READ_ENTRIES);
  statement.setReturnArrays(true);
  for (const row of statement.iterate()) {
    // The rows are arrays because of the line above; the types do not know it.
    const fields: unknown = row;
    if (!Array.isArray(fields) || !isIntact(fields)) {
      damaged.push(nameOf(fields));
      continue;
    }
    entries++;
    sum = addToSum(sum, fields[8]);
    const [family, key] = fields;
    if (family === TOMBSTONE) table.tombstones.add(key, fields[5]);
    else {
      const entry = entryOf(fields);
      table.family(family).add(key, entry);
      if (entry.session !== '') table.noteHeld(entry.session, key);
    }
    if (family === KV || family === TOMBSTONE) kvIndex = Math.max(kvIndex, fields[5]);
  }
  table.sort();
  table.kvIndex = kvIndex;
  return { table, entries, sum, damaged };
}

export function readState(connection: DatabaseSync): State | undefined {
  const statement = connection.prepare(READ_STATE);
  statement.setReturnArrays(true);
  const row: unknown = statement.get();
  return stateOf(Array.isArray(row) ? row : undefined);
}

/** The key of a row that is damaged, as it can be read. */
export function nameOf(fields: unknown): string {
  const [family, key] = Array.isArray(fields) ? fields : [];
  return family === 'kv' ? String(key) : `${String(family)} ${String(key)}`;
}

function damagedText(damaged: readonly string[]): string {
  const named = damaged.slice(0, NAMED_MAX).map((key) => JSON.stringify(key));
  const more = damaged.length - named.length;
  return (
    `${damaged.length === 1 ? 'a record is' : `${damaged.length} records are`} damaged ` +
    `(their bytes changed on the disk): ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  );
}
