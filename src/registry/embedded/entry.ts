// One entry of the store in memory: a record of the KV or a document of another family (sessions,
// tokens, …). There may be a million of them, so a value that is text is kept as text: a string
// costs 16 bytes beside its characters, a buffer of its own about 200.

import { isUtf8 } from 'node:buffer';
import type { KvEntry } from '../record-store.ts';

/** The family of the records of the KV. */
export const KV = 'kv';

/** A value: text when it is UTF-8, its bytes otherwise. */
export type Content = string | Uint8Array;

export type EntryFields = {
  readonly key: string;
  readonly content: Content;
  readonly flags?: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
  readonly lockIndex?: number;
  readonly session?: string;
};

export class Entry implements KvEntry {
  readonly key: string;
  readonly content: Content;
  /** An unsigned 64-bit number as text. */
  readonly flags: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
  /** How often it was locked. */
  readonly lockIndex: number;
  /** The session that holds it; '' = none. */
  readonly session: string;

  constructor(fields: EntryFields) {
    this.key = fields.key;
    this.content = fields.content;
    this.flags = fields.flags ?? '0';
    this.createIndex = fields.createIndex;
    this.modifyIndex = fields.modifyIndex;
    this.lockIndex = fields.lockIndex ?? 0;
    this.session = fields.session ?? '';
  }

  /** The bytes; made anew from text each time. */
  get value(): Uint8Array {
    return typeof this.content === 'string' ? Buffer.from(this.content) : this.content;
  }
}

export function contentOf(value: Uint8Array | string): Content {
  if (typeof value === 'string') return value;
  if (!isUtf8(value)) return new Uint8Array(value); // Not a view into somebody's larger buffer.
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
}

export function sameContent(left: Content, right: Content): boolean {
  if (typeof left === 'string' || typeof right === 'string') return left === right;
  return Buffer.compare(left, right) === 0;
}

/** The same text in memory of its own: a part of a longer one would keep all of that. */
export function ownText(text: string): string {
  return Buffer.from(text).toString();
}
