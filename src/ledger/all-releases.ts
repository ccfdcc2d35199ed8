// The releases of all services at once, for a page that shows them together.

import { LOCK, type LockDocument, type ReleaseSummary } from '../admin/contract.ts';
import type { RecordStore } from '../registry.ts';
import { fromJson, readSummaries } from './documents.ts';
import type { LedgerKeys } from './keys.ts';

export type AllReleases = {
  /** Newest first. */
  readonly releases: readonly { readonly service: string; readonly summary: ReleaseSummary }[];
  /** By service. One that cannot be read is left out. */
  readonly locks: ReadonlyMap<string, LockDocument>;
};

/** @throws registry_… */
export async function allReleases(
  store: RecordStore,
  { histories, locks: lockKeys }: LedgerKeys,
): Promise<AllReleases> {
  const [summaries, locks] = await Promise.all([store.list(histories), store.list(lockKeys)]);
  return {
    releases: summaries.entries
      .flatMap((entry) => {
        const [service = ''] = entry.key.slice(histories.length).split('/');
        return readSummaries([entry]).map((summary) => ({ service, summary }));
      })
      .toSorted((a, b) => b.summary.beganAtMs - a.summary.beganAtMs),
    locks: new Map(
      locks.entries.flatMap((entry) => {
        const lock = fromJson(entry);
        return LOCK.fits(lock) ? [[entry.key.slice(lockKeys.length), lock] as const] : [];
      }),
    ),
  };
}
