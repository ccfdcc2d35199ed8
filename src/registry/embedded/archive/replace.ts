// Puts the content of a snapshot in the place of what a store holds, as one write.

import { entryOf, TOMBSTONE } from '../disk.ts';
import { TOPIC } from '../documents.ts';
import { Entry } from '../entry.ts';
import { isSame, type WriteGroup } from '../write-group.ts';
import type { Archived } from './archive.ts';

/**
 * No index falls, and none that somebody has seen gets another content: an entry that differs has the
 * snapshot's index where that is beyond ours, and a new one otherwise. One that is the same stays as
 * it is. Returns the index of the change.
 */
export function replaceContent(writes: WriteGroup, { index, rows }: Archived): number {
  const { table } = writes;
  const seen = table.index;
  const fresh = Math.max(seen, index) + 1;
  const gone = new Map<string, Set<string>>();
  for (const family of table.families()) gone.set(family, new Set(table.family(family).keys('')));
  writes.replaceAt(fresh);
  for (const row of rows) {
    const [family] = row;
    if (family === TOMBSTONE) continue;
    const entry = entryOf(row);
    gone.get(family)?.delete(entry.key);
    const before = table.family(family).get(entry.key);
    if (family === TOPIC) continue;
    if (before !== undefined && isSame(before, entry.content, entry.flags, entry)) continue;
    const isNew = entry.modifyIndex > seen;
    const placed = isNew ? entry : new Entry({ ...entry, modifyIndex: fresh });
    writes.place(family, entry.key, placed);
  }
  // Whoever waits for a topic looks again, and no topic falls back to an index of the snapshot.
  const topics = new Set([...table.family(TOPIC).keys(''), ...topicsOf(rows)]);
  for (const key of topics) {
    const topic = { key, content: '0', createIndex: fresh, modifyIndex: fresh };
    writes.place(TOPIC, key, new Entry(topic));
  }
  gone.delete(TOPIC);
  for (const [family, keys] of gone) {
    for (const key of keys) writes.place(family, key, undefined);
  }
  return fresh;
}

function topicsOf(rows: Archived['rows']): readonly string[] {
  return rows.filter(([family]) => family === TOPIC).map(([, key]) => key);
}
