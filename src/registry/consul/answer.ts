// What a registry answers, read with distrust: everything that is not exactly a Consul answer is an
// error, so that garbage, a half body or another program's page never passes for an empty list.

import type { KvEntry, KvState } from '../record-store.ts';
import type { ConsulReply } from './http-request.ts';

/**
 * Records as an earlier answer had them, by key, with the text of the value: one that comes again word
 * for word is not decoded again, and is the same object.
 */
export type KnownEntries = Map<string, { readonly text: unknown; readonly entry: KvEntry }>;

/** `known` is brought up to date. @throws Error that says what is wrong with the answer. */
export function parseState(reply: ConsulReply, known?: KnownEntries): KvState {
  if (reply.index === undefined) throw new Error('answer without X-Consul-Index');
  // Clients make sure that the index is at least 1, or the next query would not block.
  const index = Math.max(1, reply.index);
  if (reply.status === 404) {
    if (reply.body.length > 0) throw new Error('404 with a body: not a registry');
    known?.clear();
    return { index, entries: [] };
  }
  return { index, entries: parseEntries(reply.body.toString(), known) };
}

export function parseEntries(text: string, known?: KnownEntries): readonly KvEntry[] {
  // Flags are 64 bits wide: keep long numbers as text. Inside a string the quotes would be escaped.
  const json = text.replace(/"Flags":\s*(\d{16,})/g, '"Flags":"$1"');
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch {
    throw new Error('answer is not JSON');
  }
  if (!Array.isArray(list)) throw new Error('answer is not a list');
  if (known === undefined) return list.map((item) => parseEntry(item));
  const entries = list.map((item) => parseEntry(item, known));
  if (known.size > entries.length) {
    const listed = new Set(entries.map(({ key }) => key));
    for (const key of known.keys()) if (!listed.has(key)) known.delete(key);
  }
  return entries;
}

function parseEntry(item: unknown, known?: KnownEntries): KvEntry {
  if (typeof item !== 'object' || item === null) throw new Error('record is not an object');
  // The cast only names the fields; each is checked below.
  const fields = item as Readonly<Record<string, unknown>>;
  const key = fields['Key'];
  const value = fields['Value'];
  const flags = fields['Flags'] ?? 0;
  const createIndex = fields['CreateIndex'];
  const modifyIndex = fields['ModifyIndex'];
  const lockIndex = fields['LockIndex'] ?? 0;
  const session = fields['Session'] ?? '';
  if (typeof key !== 'string') throw new Error('record without a Key');
  if (value !== null && typeof value !== 'string') throw new Error(`record "${key}" has no Value`);
  if (typeof flags !== 'string' && typeof flags !== 'number') {
    throw new Error(`record "${key}" has bad Flags`);
  }
  if (
    typeof createIndex !== 'number' ||
    typeof modifyIndex !== 'number' ||
    typeof lockIndex !== 'number' ||
    typeof session !== 'string'
  ) {
    throw new Error(`record "${key}" has no index`);
  }
  const last = known?.get(key);
  if (
    last?.text === value &&
    last?.entry.modifyIndex === modifyIndex &&
    last.entry.createIndex === createIndex &&
    last.entry.lockIndex === lockIndex &&
    last.entry.flags === String(flags) &&
    (last.entry.session ?? '') === session
  ) {
    return last.entry;
  }
  const entry = {
    key,
    value: value === null ? EMPTY : Buffer.from(value, 'base64'),
    flags: String(flags),
    createIndex,
    modifyIndex,
    lockIndex,
    ...(session === '' ? {} : { session }),
  };
  known?.set(key, { text: value, entry });
  return entry;
}

const EMPTY = new Uint8Array();

/** Of `?keys`. @throws Error that says what is wrong with the answer. */
export function parseKeys({ status, body }: ConsulReply): readonly string[] {
  if (status === 404) return [];
  const keys: unknown = JSON.parse(body.toString());
  if (!Array.isArray(keys) || keys.some((key) => typeof key !== 'string')) {
    throw new Error('answer is not a list of keys');
  }
  return keys;
}

/** Of a session: its name and node; '' = there is no such session. */
export function parseHolder({ body }: ConsulReply): string {
  const list: unknown = JSON.parse(body.toString());
  const [first]: unknown[] = Array.isArray(list) ? list : [];
  if (typeof first !== 'object' || first === null) return '';
  const fields = new Map<string, unknown>(Object.entries(first));
  const [name, node] = [fields.get('Name'), fields.get('Node')].map((field) => String(field ?? ''));
  return [name, node === '' ? '' : `on ${node}`].filter(Boolean).join(' ');
}

/** The answer to a write. @throws Error when it is neither true nor false. */
export function parseDone(reply: ConsulReply): boolean {
  const text = reply.body.toString('utf8', 0, 16).trim();
  if (reply.status !== 200 || (text !== 'true' && text !== 'false')) {
    throw new Error(`write answered ${reply.status} ${JSON.stringify(text)}`);
  }
  return text === 'true';
}
