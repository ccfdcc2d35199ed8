// The records of a journal as lines of JSON.

import type { ReleaseRecord } from '../../admin/contract.ts';

export type JournalRecord = {
  readonly kind:
    | 'begin'
    | 'resume'
    | 'plan'
    | 'intent'
    | 'done'
    | 'failed'
    | 'note'
    | 'command'
    | 'end';
  /** '' for a record that is about the whole release. */
  readonly instance?: string;
  readonly step?: string;
  readonly data?: Readonly<Record<string, unknown>>;
};

/** With its number and time. */
export type StampedRecord = JournalRecord & { readonly seq: number; readonly ts: string };

/** A journal is small; one beyond this was not written by us and is not read whole into memory. */
const READ_BYTES_MAX = 16 * 1024 * 1024;
/** Of one record in the registry, which takes 512 KiB at once; the runner's own file has it whole. */
const SHARED_BYTES_MAX = 160 * 1024;

export function lineOf(release: string, { seq, ts, ...record }: StampedRecord): string {
  return JSON.stringify({ seq, ts, release, ...record });
}

/** A torn last line, the mark of a crash while writing, is no record. */
export function readLines(text: string): readonly StampedRecord[] {
  return text.length > READ_BYTES_MAX ? [] : text.split('\n').flatMap(parseLine);
}

/** As the registry has it. */
export function sharedRecord(record: StampedRecord, fence: number): ReleaseRecord {
  const { seq, ts, kind, instance = '', step = '', data = {} } = record;
  return { seq, ts, kind, instance, step, fence, data: shortened(data) };
}

/** Without its largest entries, where it is too large. */
function shortened(data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const bytes = JSON.stringify(data).length;
  if (bytes <= SHARED_BYTES_MAX) return data;
  const sizes = Object.entries(data).map(
    ([name, value]) => [name, JSON.stringify(value)?.length ?? 0] as const,
  );
  const left = new Map(Object.entries(data));
  let leftBytes = bytes;
  for (const [name, size] of sizes.sort(([, a], [, b]) => b - a)) {
    if (leftBytes <= SHARED_BYTES_MAX) break;
    left.delete(name);
    leftBytes -= size;
  }
  return { ...Object.fromEntries(left), shortened: bytes };
}

function parseLine(text: string): readonly StampedRecord[] {
  try {
    const value: unknown = JSON.parse(text);
    // A parser's cast: the fields are only shown or compared, each through String or Number.
    return typeof value === 'object' && value !== null ? [value as StampedRecord] : [];
  } catch {
    return [];
  }
}
