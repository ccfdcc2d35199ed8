// One group of writes on their way to the disk: they are applied to the table in memory at once,
// each seeing those before it, and undone when the group cannot be committed. All of it happens in
// one synchronous stretch, so nobody ever reads what is not durable.

import type { KvEntry } from '../record-store.ts';
import type { KeyTable } from './key-table.ts';

/** What changed: one record, or everything under a prefix. */
export type Changed = { readonly key: string; readonly tree: boolean };

/** Tombstones kept at most, and how many of them stay after a clean-up. */
const TOMBSTONES_MAX = 20_000;
const TOMBSTONES_KEPT = 10_000;

export class WriteGroup {
  readonly table: KeyTable;
  /** Keys whose row must be written; what to write is what the table then says. */
  readonly dirtyRecords = new Set<string>();
  readonly dirtyTombstones = new Set<string>();
  readonly changes: Changed[] = [];
  readonly #undo: (() => void)[] = [];
  #workIndex = 0;

  constructor(table: KeyTable) {
    this.table = table;
  }

  /** Starts the next write of the group; all its changes carry one index. */
  begin(): number {
    this.#workIndex = 0;
    return this.#undo.length;
  }

  read(key: string): KvEntry | undefined {
    return this.table.records.get(key);
  }

  /** An identical value changes nothing: no new index, nobody wakes. */
  put(key: string, value: Uint8Array, flags: string): KvEntry {
    const before = this.table.records.get(key);
    if (before !== undefined && before.flags === flags && sameBytes(before.value, value)) {
      return before;
    }
    const index = this.#index();
    const record: KvEntry = {
      key,
      value,
      flags,
      createIndex: before?.createIndex ?? index,
      modifyIndex: index,
      lockIndex: 0,
    };
    this.table.records.set(key, record);
    this.dirtyRecords.add(key);
    this.changes.push({ key, tree: false });
    this.#undo.push(() => {
      if (before === undefined) this.table.records.delete(key);
      else this.table.records.set(key, before);
    });
    return record;
  }

  remove(key: string): void {
    const before = this.table.records.get(key);
    if (before === undefined) return;
    const index = this.#index();
    this.table.records.delete(key);
    this.dirtyRecords.add(key);
    this.changes.push({ key, tree: false });
    this.#undo.push(() => this.table.records.set(key, before));
    this.#bury(key, index);
  }

  /**
   * Removes everything under the prefix. One tombstone, at the prefix, takes the place of all below
   * it: a deeper prefix then has neither records nor tombstones and answers with the store's index.
   */
  removeTree(prefix: string): void {
    const { records, tombstones } = this.table;
    const removed = records.deletePrefix(prefix);
    if (removed.length === 0) return;
    const index = this.#index();
    const buried = tombstones.deletePrefix(prefix);
    for (const [key] of removed) this.dirtyRecords.add(key);
    for (const [key] of buried) this.dirtyTombstones.add(key);
    this.changes.push({ key: prefix, tree: true });
    this.#undo.push(() => {
      records.setMany(removed);
      tombstones.setMany(buried);
    });
    this.#bury(prefix, index);
  }

  /** Forgets the oldest tombstones when there are too many. */
  trim(): void {
    const { tombstones } = this.table;
    if (tombstones.size <= TOMBSTONES_MAX) return;
    const floor = this.table.floor;
    const expired = this.table.expiredTombstones(TOMBSTONES_KEPT);
    const kept = tombstones.deletePrefix('');
    const keys = new Set(expired.map(([key]) => key));
    tombstones.setMany(kept.filter(([key]) => !keys.has(key)));
    for (const key of keys) this.dirtyTombstones.add(key);
    this.table.floor = Math.max(floor, ...expired.slice(-1).map(([, index]) => index));
    this.#undo.push(() => {
      tombstones.setMany(expired);
      this.table.floor = floor;
    });
  }

  /** Undoes everything since `mark`, newest first. */
  undo(mark = 0): void {
    while (this.#undo.length > mark) this.#undo.pop()?.();
  }

  #bury(key: string, index: number): void {
    const { tombstones } = this.table;
    const before = tombstones.get(key);
    tombstones.set(key, index);
    this.dirtyTombstones.add(key);
    this.#undo.push(() => {
      if (before === undefined) tombstones.delete(key);
      else tombstones.set(key, before);
    });
  }

  #index(): number {
    if (this.#workIndex !== 0) return this.#workIndex;
    const before = this.table.index;
    this.table.index = before + 1;
    this.#workIndex = this.table.index;
    this.#undo.push(() => {
      this.table.index = before;
    });
    return this.#workIndex;
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && Buffer.compare(left, right) === 0;
}
