// Entries as rows of the one table, each with a checksum over all of its fields. A sum of the
// checksums of all rows stands beside the counters, so that a row that is gone is noticed as well
// as one that changed.
//
// The rows stand in the order in which their entries were created, because a commit writes whole
// pages: new records of one group stand on one page, wherever their keys belong. (By key, PUTs of
// sixteen clients wrote three times the pages and cost a third more.) Who reads them brings them into
// the order of the keys.

import { crc32 } from 'node:zlib';
import { type Content, Entry } from '../entry.ts';

export const SCHEMA = `
  CREATE TABLE entry (
    family TEXT NOT NULL, key TEXT NOT NULL, value ANY NOT NULL, flags TEXT NOT NULL,
    create_index INTEGER NOT NULL, modify_index INTEGER NOT NULL,
    lock_index INTEGER NOT NULL, session TEXT NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (create_index, family, key)) STRICT, WITHOUT ROWID;
  CREATE TABLE state (
    id INTEGER PRIMARY KEY, last_index INTEGER NOT NULL, floor INTEGER NOT NULL,
    entries INTEGER NOT NULL, sum INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;`;

/** The family of the tombstones on disk: `modify_index` is all that they have. */
export const TOMBSTONE = 'tombstone';

/** In the order of the columns. */
export type Row = readonly [
  family: string,
  key: string,
  value: Content,
  flags: string,
  createIndex: number,
  modifyIndex: number,
  lockIndex: number,
  session: string,
  checksum: number,
];

/** The sum is kept below this, so that it is exact as a number. */
const SUM_MODULUS = 2 ** 48;

export type State = {
  readonly index: number;
  readonly floor: number;
  readonly entries: number;
  readonly sum: number;
};

export function rowOf(family: string, entry: Entry): Row {
  const { key, content, flags, createIndex, modifyIndex, lockIndex, session } = entry;
  const checksum = checksumOf(family, entry);
  return [family, key, content, flags, createIndex, modifyIndex, lockIndex, session, checksum];
}

export function entryOf(row: Row): Entry {
  const [, key, content, flags, createIndex, modifyIndex, lockIndex, session] = row;
  // Constants, so that a million entries share them.
  return new Entry({
    key,
    content,
    flags: flags === '0' ? '0' : flags,
    createIndex,
    modifyIndex,
    lockIndex,
    session: session === '' ? '' : session,
  });
}

export function tombstoneEntry(key: string, index: number): Entry {
  return new Entry({ key, content: '', createIndex: index, modifyIndex: index });
}

/** What was read is what was written, as far as 32 bits can tell; every single changed bit is found. */
export function isIntact(row: readonly unknown[]): row is Row {
  const [family, key, value, flags, createIndex, modifyIndex, lockIndex, session, checksum] = row;
  return (
    typeof family === 'string' &&
    typeof key === 'string' &&
    (typeof value === 'string' || value instanceof Uint8Array) &&
    typeof flags === 'string' &&
    typeof createIndex === 'number' &&
    typeof modifyIndex === 'number' &&
    typeof lockIndex === 'number' &&
    typeof session === 'string' &&
    checksum ===
      checksumOf(family, {
        ...{ key, content: value, flags, createIndex, modifyIndex, lockIndex, session },
      })
  );
}

export function checksumOf(
  family: string,
  entry: Pick<Entry, Exclude<keyof Entry, 'value'>>,
): number {
  const { key, content, flags, createIndex, modifyIndex, lockIndex, session } = entry;
  const kind = typeof content === 'string' ? 'text' : 'bytes';
  const numbers = `${createIndex} ${modifyIndex} ${lockIndex}`;
  const head = `${family}\0${key}\0${flags}\0${numbers}\0${session}\0${kind}\0`;
  return typeof content === 'string' ? crc32(head + content) : crc32(content, crc32(head));
}

export function addToSum(sum: number, checksum: number): number {
  return (sum + checksum) % SUM_MODULUS;
}

export function takeFromSum(sum: number, checksum: number): number {
  return (sum - checksum + SUM_MODULUS) % SUM_MODULUS;
}

export function stateRow({ index, floor, entries, sum }: State): number[] {
  return [1, index, floor, entries, sum, crc32([index, floor, entries, sum].join(' '))];
}

/** Undefined when it is not what was written. */
export function stateOf(row: readonly unknown[] | undefined): State | undefined {
  if (row === undefined) return undefined;
  const numbers = row.map(Number);
  const [, index = 0, floor = 0, entries = 0, sum = 0] = numbers;
  const state = { index, floor, entries, sum };
  return stateRow(state).every((value, at) => value === numbers[at]) ? state : undefined;
}
