// One group of writes on their way to the disk: they are applied to the table in memory at once,
// each seeing those before it, and undone when the group cannot be committed. All of it happens in
// one synchronous stretch, so nobody ever reads what is not durable.

import { type Content, contentOf, Entry, KV, ownText, sameContent } from './entry.ts';
import { FIRST_INDEX, type KeyTable } from './key-table.ts';

/** What changed: one entry, or records of the KV under a prefix. */
export type Changed = {
  readonly family: string;
  readonly key: string;
  /** Everything under `key` was removed: these, in order. */
  readonly removed?: readonly string[];
};

/** Who holds a record: the session ('' = nobody) and how often it was locked. */
export type Lock = { readonly session: string; readonly lockIndex: number };

/** Tombstones kept at most, and how many of them stay after a clean-up. */
const TOMBSTONES_MAX = 20_000;
const TOMBSTONES_KEPT = 10_000;

export class WriteGroup {
  readonly table: KeyTable;
  /**
   * By family the keys whose row must be written, each with its entry from before the group. What to
   * write is what the table says at the end.
   */
  readonly dirty = new Map<string, Map<string, Entry | undefined>>();
  readonly dirtyTombstones = new Map<string, number | undefined>();
  readonly changes: Changed[] = [];
  /** The whole content was replaced: `changes` does not tell what. */
  isReplaced = false;
  /** Nothing was written that is not a removal: it makes room, and may use what is kept for that. */
  onlyRemoves = true;
  readonly #undo: (() => void)[] = [];
  #workIndex = 0;

  constructor(table: KeyTable) {
    this.table = table;
  }

  get isEmpty(): boolean {
    return this.changes.length === 0 && !this.isReplaced;
  }

  /** Starts the next write of the group; all its changes carry one index. */
  begin(): number {
    this.#workIndex = 0;
    return this.#undo.length;
  }

  /**
   * What this write changes belongs to the empty store: it keeps the first index. Only for who writes
   * before anybody can have read.
   */
  keepFirstIndex(): void {
    if (this.table.index === FIRST_INDEX) this.#workIndex = FIRST_INDEX;
  }

  read(key: string): Entry | undefined {
    return this.table.records.get(key);
  }

  /**
   * Writes a record of the KV. One that is the same already changes nothing: no new index, nobody
   * wakes. Without `lock` the record stays as it is held.
   */
  put(key: string, value: Uint8Array | string, flags: string, lock?: Lock): Entry {
    const before = this.table.records.get(key);
    if (lock !== undefined && lock.session !== '') this.table.noteHeld(lock.session, key);
    return this.#set(
      { family: KV, key, before },
      {
        content: contentOf(value),
        flags,
        lockIndex: lock?.lockIndex ?? before?.lockIndex ?? 0,
        session: lock?.session ?? before?.session ?? '',
      },
    );
  }

  /** Writes an entry of another family; the same rules. */
  set(family: string, key: string, value: string): Entry {
    const before = this.table.family(family).get(key);
    const fields = { content: value, flags: '0', lockIndex: 0, session: '' };
    return this.#set({ family, key, before }, fields);
  }

  /** Removes an entry of another family. False: there was none. */
  unset(family: string, key: string): boolean {
    return this.#unset(family, key) !== 0;
  }

  /** The session is gone, with its locks. */
  forgetHeld(session: string): void {
    const keys = this.table.forgetHeld(session);
    this.#undo.push(() => {
      for (const key of keys) this.table.noteHeld(session, key);
    });
  }

  remove(key: string): void {
    const index = this.#unset(KV, key);
    if (index !== 0) this.#bury(key, index);
  }

  /**
   * Removes everything under the prefix. One tombstone, at the prefix, takes the place of all below
   * it: a deeper prefix then has neither records nor tombstones and answers with the store's index.
   */
  removeTree(prefix: string): void {
    const { records, tombstones } = this.table;
    const removed = records.deletePrefix(prefix);
    if (removed.length === 0) return;
    const index = this.#index(KV);
    const buried = tombstones.deletePrefix(prefix);
    for (const [key, before] of removed) this.#touch(KV, key, before);
    for (const [key, before] of buried) this.#touchTombstone(key, before);
    this.#changed({ family: KV, key: prefix, removed: removed.map(([key]) => key) }, () => {
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
    for (const [key, before] of expired) this.#touchTombstone(key, before);
    this.table.floor = Math.max(floor, ...expired.slice(-1).map(([, index]) => index));
    this.#undo.push(() => {
      tombstones.setMany(expired);
      this.table.floor = floor;
    });
  }

  /**
   * The whole content is replaced, at an index above all others: what is put in place afterwards is it.
   * Every prefix moves to that index.
   */
  replaceAt(index: number): void {
    const { table } = this;
    const before = { index: table.index, kvIndex: table.kvIndex, floor: table.floor };
    const buried = table.tombstones.deletePrefix('');
    for (const [key, at] of buried) this.#touchTombstone(key, at);
    Object.assign(table, { index, kvIndex: index, floor: index });
    this.isReplaced = true;
    this.onlyRemoves = false;
    this.#undo.push(() => {
      this.isReplaced = false;
      Object.assign(table, before);
      table.tombstones.setMany(buried);
    });
  }

  /** Sets or removes an entry exactly as it is given; only after `replaceAt`, which tells everybody. */
  place(family: string, key: string, entry: Entry | undefined): void {
    const entries = this.table.family(family);
    const before = entries.get(key);
    if (entry === undefined) entries.delete(key);
    else entries.set(key, entry);
    if (entry !== undefined && entry.session !== '') this.table.noteHeld(entry.session, key);
    this.#touch(family, key, before);
    this.#undo.push(() => {
      if (before === undefined) entries.delete(key);
      else entries.set(key, before);
    });
  }

  /** Undoes everything since `mark`, newest first. */
  undo(mark = 0): void {
    while (this.#undo.length > mark) this.#undo.pop()?.();
  }

  #set(
    { family, key, before }: { family: string; key: string; before: Entry | undefined },
    fields: Lock & { readonly content: Content; readonly flags: string },
  ): Entry {
    const { content, flags, lockIndex, session } = fields;
    if (before !== undefined && isSame(before, content, flags, fields)) return before;
    const index = this.#index(family);
    const entries = this.table.family(family);
    const entry = new Entry({
      key: before?.key ?? ownText(key),
      content,
      flags,
      lockIndex,
      session,
      createIndex: before?.createIndex ?? index,
      modifyIndex: index,
    });
    entries.set(entry.key, entry);
    this.onlyRemoves = false;
    this.#touch(family, entry.key, before);
    this.#changed({ family, key: entry.key }, () => {
      if (before === undefined) entries.delete(entry.key);
      else entries.set(entry.key, before);
    });
    return entry;
  }

  /** The index of the removal, 0 when there was nothing. */
  #unset(family: string, key: string): number {
    const entries = this.table.family(family);
    const before = entries.get(key);
    if (before === undefined) return 0;
    const index = this.#index(family);
    entries.delete(key);
    this.#touch(family, key, before);
    this.#changed({ family, key }, () => entries.set(key, before));
    return index;
  }

  #bury(key: string, index: number): void {
    const { tombstones } = this.table;
    const before = tombstones.get(key);
    tombstones.set(key, index);
    this.#touchTombstone(key, before);
    this.#undo.push(() => {
      if (before === undefined) tombstones.delete(key);
      else tombstones.set(key, before);
    });
  }

  /** A row stays dirty when its change is undone: it is then written as it was. */
  #touch(family: string, key: string, before: Entry | undefined): void {
    let keys = this.dirty.get(family);
    if (keys === undefined) {
      keys = new Map();
      this.dirty.set(family, keys);
    }
    if (!keys.has(key)) keys.set(key, before);
  }

  #touchTombstone(key: string, before: number | undefined): void {
    if (!this.dirtyTombstones.has(key)) this.dirtyTombstones.set(key, before);
  }

  #changed(change: Changed, undo: () => void): void {
    this.changes.push(change);
    this.#undo.push(() => {
      this.changes.pop();
      undo();
    });
  }

  #index(family: string): number {
    const { index, kvIndex } = this.table;
    if (this.#workIndex === 0) this.#workIndex = ++this.table.index;
    if (family === KV) this.table.kvIndex = this.#workIndex;
    this.#undo.push(() => {
      this.table.index = index;
      this.table.kvIndex = kvIndex;
    });
    return this.#workIndex;
  }
}

export function isSame(before: Entry, content: Content, flags: string, lock: Lock): boolean {
  return (
    before.flags === flags &&
    before.session === lock.session &&
    before.lockIndex === lock.lockIndex &&
    sameContent(before.content, content)
  );
}
