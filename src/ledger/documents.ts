// Records of the ledger, read with distrust: they have the shapes of the contract.

import {
  JOURNAL_RECORD,
  LOCK,
  type LockDocument,
  RELEASE,
  type ReleaseRecord,
  type ReleaseSummary,
} from '../admin/contract.ts';
import { SluiceError } from '../base/errors.ts';
import type { KvEntry } from '../registry.ts';

export const FREE: LockDocument = {
  number: 0,
  fence: 0,
  beat: 0,
  holder: null,
  orphan: '',
  asked: null,
};

/** @throws conflict: nobody may guess who has the service */
export function readLock(entry: KvEntry): LockDocument {
  const value = fromJson(entry);
  if (LOCK.fits(value)) return value;
  const what = 'is not what sluice writes there, so nobody knows who releases the service';
  throw new SluiceError('conflict', `record ${entry.key}: ${what}; correct it or delete it`);
}

/** Those that cannot be read are left out: a history with a gap is better than none. */
export function readSummaries(entries: readonly KvEntry[]): readonly ReleaseSummary[] {
  const all = entries.map(fromJson).filter(RELEASE.fits);
  return all.toSorted((a, b) => b.number - a.number);
}

export function readRecords(entries: readonly KvEntry[]): readonly ReleaseRecord[] {
  return entries.map(fromJson).filter(JOURNAL_RECORD.fits);
}

export function fromJson({ value }: KvEntry): unknown {
  try {
    return JSON.parse(Buffer.from(value).toString());
  } catch {
    return undefined;
  }
}
