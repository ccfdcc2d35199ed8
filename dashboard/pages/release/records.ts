// The records of a release's journal as the page gets them, with their data read. What a journal says is not
// trusted: whatever is missing or of another kind is as if it were not there.

import type { ReleaseTopic } from '../../../src/admin/contract.ts';

export type Data = Readonly<Record<string, unknown>>;

export type StoryRecord = {
  readonly seq: number;
  /** By the clock of the runner. */
  readonly atMs: number;
  readonly kind: string;
  readonly instance: string;
  readonly step: string;
  readonly data: Data;
};

type Written = Extract<ReleaseTopic, { readonly summary: unknown }>['records'];

/** A patch leaves the records that were there as they are: they are read once. */
const known = new WeakMap<object, StoryRecord>();

/** In the order in which they were written. */
export function recordsOf(written: Written): readonly StoryRecord[] {
  return Object.entries(written)
    .map(([seq, record]) => {
      const before = known.get(record);
      if (before !== undefined) return before;
      const { ts, kind, instance, step } = record;
      const read = { seq: Number(seq), atMs: Date.parse(ts), kind, instance, step };
      const one = { ...read, data: parse(record.data) };
      known.set(record, one);
      return one;
    })
    .filter(({ atMs }) => !Number.isNaN(atMs))
    .sort((a, b) => a.seq - b.seq);
}

export function dataOf(value: unknown): Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function wordOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

export function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** `pid=32397 version=v2`: what is plain in it. */
export function factsOf(data: Data): string {
  return Object.entries(data)
    .filter(([name, value]) => name !== 'revert' && /string|number|boolean/.test(typeof value))
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
}

function parse(text: string): Data {
  try {
    return dataOf(JSON.parse(text));
  } catch {
    return {};
  }
}
