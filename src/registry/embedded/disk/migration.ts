// Databases of earlier formats are rewritten once, when they are opened, in one transaction: whatever
// interrupts it leaves the old one as it was. Their rows had no checksums, so they are taken as they
// are.

import type { DatabaseSync } from 'node:sqlite';
import { contentOf, Entry, KV } from '../entry.ts';
import { FIRST_INDEX } from '../key-table.ts';
import { addToSum, type Row, rowOf, SCHEMA, TOMBSTONE, tombstoneEntry } from './rows.ts';
import { WRITE_ENTRY, writeState } from './statements.ts';

/** Format 1: tables `record`, `tombstone` and `counter`. Within a transaction of the caller. */
export function migrateFrom1(connection: DatabaseSync): void {
  connection.exec(SCHEMA);
  const write = connection.prepare(WRITE_ENTRY);
  let entries = 0;
  let sum = 0;
  const add = (row: Row): void => {
    write.run(...row);
    entries++;
    sum = addToSum(sum, row[8]);
  };
  const records = connection.prepare(
    'SELECT key, value, flags, create_index, modify_index FROM record',
  );
  for (const row of records.iterate()) {
    const value = row['value'];
    const entry = new Entry({
      key: String(row['key']),
      content: contentOf(value instanceof Uint8Array ? value : new Uint8Array()),
      flags: String(row['flags']),
      createIndex: Number(row['create_index']),
      modifyIndex: Number(row['modify_index']),
    });
    add(rowOf(KV, entry));
  }
  for (const row of connection.prepare('SELECT key, modify_index FROM tombstone').iterate()) {
    add(rowOf(TOMBSTONE, tombstoneEntry(String(row['key']), Number(row['modify_index']))));
  }
  const counter = connection.prepare('SELECT value FROM counter WHERE name = ?');
  const index = Number(counter.get('index')?.['value'] ?? FIRST_INDEX);
  const floor = Number(counter.get('floor')?.['value'] ?? 0);
  writeState(connection, { index, floor, entries, sum });
  connection.exec('DROP TABLE record; DROP TABLE tombstone; DROP TABLE counter');
}
