// What etcd's JSON gateway answers, read with distrust: keys and values are base64, 64-bit numbers are
// text, and what is zero, false or empty is left out.

import type { KvEntry } from '../../record-store.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** @throws Error when it is not a JSON object. */
export function parseFields(text: string): Fields {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error('answer is not JSON');
  }
  return fieldsOf(document, 'answer');
}

/** @throws Error when it is not an object. */
export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${what} is not an object`);
  }
  // The cast only names the fields; whoever reads one checks it.
  return value as Fields;
}

/** A list, also one that was left out. @throws Error for anything else. */
export function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw new Error(`${what} is not a list`);
}

/** A 64-bit number, also one that was left out. @throws Error for anything else. */
export function numberOf(value: unknown, what: string): number {
  if (value === undefined) return 0;
  const number = typeof value === 'string' && /^\d{1,20}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number') throw new Error(`${what} is not a number`);
  return number;
}

export type Header = { readonly revision: number; readonly clusterId: string };

/** @throws Error for an answer without a header: every answer of etcd has one. */
export function headerOf(answer: Fields): Header {
  const header = fieldsOf(answer['header'], 'header');
  const clusterId = header['cluster_id'];
  if (typeof clusterId !== 'string') throw new Error('header without cluster_id');
  return { revision: numberOf(header['revision'], 'revision'), clusterId };
}

/** A record, or its key alone where it was deleted. `root` is what stands before every key. */
export function entryOf(value: unknown, root: string): KvEntry {
  const kv = fieldsOf(value, 'record');
  const key = bytesOf(kv['key'], 'key').toString();
  if (!key.startsWith(root)) throw new Error(`record "${key}" was not asked for`);
  return {
    key: key.slice(root.length),
    value: bytesOf(kv['value'], 'value'),
    flags: '0',
    createIndex: numberOf(kv['create_revision'], 'create_revision'),
    modifyIndex: numberOf(kv['mod_revision'], 'mod_revision'),
    lockIndex: 0,
    // 64 bits: a text.
    ...(typeof kv['lease'] === 'string' && kv['lease'] !== '0' ? { session: kv['lease'] } : {}),
  };
}

function bytesOf(value: unknown, what: string): Buffer {
  if (value === undefined) return EMPTY;
  if (typeof value !== 'string') throw new Error(`${what} is not text`);
  return Buffer.from(value, 'base64');
}

const EMPTY = Buffer.alloc(0);

export function base64(text: string | Uint8Array): string {
  return Buffer.from(text).toString('base64');
}

/** `key` and `range_end` of all keys that begin like this. All keys at all: from the least one on. */
export function rangeOf(prefix: string): { readonly key: string; readonly range_end: string } {
  const start = Buffer.from(prefix);
  for (let at = start.length - 1; at >= 0; at--) {
    const byte = start[at] ?? 0;
    if (byte === 0xff) continue;
    const end = Buffer.from(start.subarray(0, at + 1));
    end[at] = byte + 1;
    return { key: base64(start), range_end: base64(end) };
  }
  return { key: base64('\0'), range_end: base64('\0') };
}
