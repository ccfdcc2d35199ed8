// The store in memory: what every read and watch is served from. Records of the KV are one family of
// entries; sessions, tokens and whatever else must be durable are others, under the same index.
// Knows Consul's index rules: the index of a record, of a prefix (its tombstones included) and of the
// whole store. Pure data: durability is disk.ts, order of writes is store.ts.
//
// Which index a query answers with (W = the whole store's):
//   record exists                      its modifyIndex
//   record absent                      W (of the records alone: other families do not count)
//   prefix with records or tombstones  highest modifyIndex or tombstone under it
//   prefix with neither                W
//
// Tombstones are kept so that a prefix index rises when its keys vanish. Only the newest are kept:
// the index of the newest one that was dropped becomes the floor below which no prefix index falls,
// so that it never goes back; the price is one needless wake-up of each watcher per clean-up.

import { type Entry, KV } from './entry.ts';
import { SortedMap } from './sorted-map.ts';

/**
 * A new store is at 1, because no answer carries a lower index (the Math.max below): were the first
 * write 1 as well, whoever watches the empty prefix since 1 would not hear of it.
 */
export const FIRST_INDEX = 1;

export class KeyTable {
  readonly #families = new Map<string, SortedMap<Entry>>();
  readonly records = this.family(KV);
  readonly tombstones = new SortedMap<number>();
  /** Of the last change of anything. */
  index = FIRST_INDEX;
  /** Of the last change of a record of the KV. */
  kvIndex = FIRST_INDEX;
  floor = 0;
  /** By session the keys that it holds, or held. */
  readonly #held = new Map<string, Set<string>>();

  /** The entries of a family, created when it is first asked for. The same object each time. */
  family(name: string): SortedMap<Entry> {
    let entries = this.#families.get(name);
    if (entries === undefined) {
      entries = new SortedMap();
      this.#families.set(name, entries);
    }
    return entries;
  }

  /** The names of all families that were ever asked for. */
  families(): readonly string[] {
    return [...this.#families.keys()];
  }

  /** After entries and tombstones were added. */
  sort(): void {
    for (const entries of this.#families.values()) entries.sort();
    this.tombstones.sort();
  }

  keyIndex(key: string): number {
    return Math.max(1, this.records.get(key)?.modifyIndex ?? this.kvIndex);
  }

  prefixIndex(prefix: string): number {
    if (prefix === '') return Math.max(1, this.kvIndex);
    const mark = this.prefixMark(prefix);
    return Math.max(1, mark === 0 ? this.kvIndex : Math.max(mark, this.floor));
  }

  /** The highest index seen under the prefix, 0 when nothing was ever there: changes exactly when the prefix does. */
  prefixMark(prefix: string): number {
    let mark = 0;
    for (const record of this.records.values(prefix)) mark = Math.max(mark, record.modifyIndex);
    for (const index of this.tombstones.values(prefix)) mark = Math.max(mark, index);
    return mark;
  }

  /** The session holds the key from now on, or may: whether it does, the record says. */
  noteHeld(session: string, key: string): void {
    const keys = this.#held.get(session);
    if (keys === undefined) this.#held.set(session, new Set([key]));
    else keys.add(key);
  }

  /** The records that the session holds, in no order. */
  heldBy(session: string): readonly Entry[] {
    const held: Entry[] = [];
    for (const key of this.#held.get(session) ?? []) {
      const record = this.records.get(key);
      if (record?.session === session) held.push(record);
    }
    return held;
  }

  /** Forgets a session that is gone; returns the keys that were noted. */
  forgetHeld(session: string): Iterable<string> {
    const keys = this.#held.get(session) ?? [];
    this.#held.delete(session);
    return keys;
  }

  /** The tombstones to forget so that at most `keep` stay, oldest first. */
  expiredTombstones(keep: number): [string, number][] {
    const all = this.tombstones.pairs('');
    all.sort((left, right) => left[1] - right[1]);
    return all.slice(0, Math.max(0, all.length - keep));
  }
}
