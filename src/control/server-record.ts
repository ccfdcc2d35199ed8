// The `down` that stands in a server's record because of an intent: what nginx with upsync, and whoever
// else reads the records, knows of a drain. A note beside it says that the intent wrote it. Whoever
// writes the record anew, as a pipeline's PUT does, writes it without the note: then `down` is theirs,
// and giving the server back leaves it alone.

import { messageOf, SluiceError } from '../base/errors.ts';
import { formatAddress } from '../base/units.ts';
import type { Admin } from '../model.ts';
import {
  INTENT_NOTE,
  type KvEntry,
  type RecordStore,
  type RecordWrite,
  readInstance,
  readKey,
} from '../registry.ts';
import { writtenId } from './table.ts';

/** Upsync crashes on a longer value. */
const VALUE_BYTES_MAX = 1023;

export type ServerRecord = {
  readonly store: RecordStore;
  readonly prefix: string;
  readonly upstream: string;
  readonly server: string;
};

/** Its key is normally made of upstream and id; folders between the two are allowed. */
export async function findRecord(which: ServerRecord): Promise<KvEntry | undefined> {
  const { store, prefix, upstream, server } = which;
  const folder = `${prefix}${upstream}/`;
  const direct = await store.get(`${folder}${server}`);
  if (direct !== undefined) return direct;
  const { entries } = await store.list(folder);
  return entries.find((entry) => {
    // Of thousands of records only that of this server is read.
    const place = readKey(entry.key, prefix);
    if (typeof place === 'string' || formatAddress(place.address) !== server) return false;
    const read = readInstance(entry.key, entry.value, prefix);
    return 'instance' in read && read.instance.id === server;
  });
}

/** Of a server that is one of several addresses of a name, the record is that of the name. */
export function findMemberRecord(
  which: Omit<ServerRecord, 'server'>,
  state: Parameters<typeof writtenId>[0],
): Promise<KvEntry | undefined> {
  return findRecord({ ...which, server: writtenId(state) });
}

/** @throws conflict when it is no JSON object */
export function parseRecord(entry: KvEntry): Record<string, unknown> {
  const text = Buffer.from(entry.value).toString('utf8').trim();
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (cause) {
    throw unreadable(entry, messageOf(cause));
  }
  throw unreadable(entry, 'not an object');
}

/**
 * What is to be written into the record with this intent; nothing where the record already says so, where
 * there is none, or where it is another's word.
 */
export async function downWrites(which: ServerRecord, admin: Admin): Promise<RecordWrite[]> {
  const entry = await findRecord(which);
  if (entry === undefined) return [];
  const read = readInstance(entry.key, entry.value, which.prefix);
  if (!('instance' in read) || read.unreadable.length > 0) return [];
  const isOut = admin.state !== 'ready';
  const { down, isIntentDown = false } = read.instance;
  if (isOut ? down : !isIntentDown) return [];
  const kept = Object.entries(parseRecord(entry)).filter(
    ([name]) => name.toLowerCase() !== 'down' && name.toLowerCase() !== INTENT_NOTE,
  );
  const own = isOut ? [['down', 1] as const, [INTENT_NOTE, 1] as const] : [['down', 0] as const];
  const value = JSON.stringify(Object.fromEntries([...kept, ...own]));
  // A record that somebody's nginx cannot read would be worse than one that does not say it.
  if (Buffer.byteLength(value) > VALUE_BYTES_MAX) return [];
  return [{ key: entry.key, value, cas: entry.modifyIndex, flags: entry.flags }];
}

function unreadable(entry: KvEntry, why: string): SluiceError {
  return new SluiceError(
    'conflict',
    `record ${entry.key}: cannot be read (${why}); correct it with "sluice kv put"`,
  );
}
