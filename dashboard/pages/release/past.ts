// The releases of several services in one list, newest first, and which of them are wanted. Pure.

import type { ReleaseSummary, ReleasesTopic } from '../../../src/admin/contract.ts';

export type PastRelease = {
  readonly service: string;
  readonly summary: ReleaseSummary;
  /** running, waiting, paused, stale, lost; else how it ended. */
  readonly word: string;
};

export function pastOf(
  topics: Readonly<Record<string, ReleasesTopic | undefined>>,
): readonly PastRelease[] {
  return Object.entries(topics)
    .flatMap(([service, topic]) =>
      topic === undefined || 'trouble' in topic
        ? []
        : Object.values(topic.releases).map((summary) => {
            return { service, summary, word: wordFor(summary, topic) };
          }),
    )
    .sort(
      (a, b) => b.summary.beganAtMs - a.summary.beganAtMs || b.summary.number - a.summary.number,
    );
}

/** How a release stands, by the lock of its service: as the page of one release says it. */
export function wordFor(summary: ReleaseSummary, known: ReleasesTopic | undefined): string {
  if (summary.endedAtMs > 0) return summary.outcome;
  if (known === undefined || 'trouble' in known) return 'running';
  const { lock, stale, shared } = known;
  const own = lock.holder?.release === summary.release ? lock.holder : undefined;
  if (own === undefined) return shared ? 'lost' : 'running';
  if (stale) return 'stale';
  if (own.waits !== undefined) return 'waiting';
  return own.step === 'pause' ? 'paused' : 'running';
}

/** All words of the filter are somewhere in it. */
export function isWanted({ service, summary, word }: PastRelease, filter: string): boolean {
  const { release, version, user, reason, why, kind, of } = summary;
  const said = [service, release, version, user, reason, why, kind, of, word].join(' ');
  const low = said.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((one) => low.includes(one));
}
