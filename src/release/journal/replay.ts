// What the journal of an unfinished release says to whoever goes on with it. Most is seen by looking: what
// runs, which version answers, who holds the server. What cannot be seen is that the version has failed
// already: then it is not tried again, and what was being brought back is brought back. Pure.

import type { ReleaseRecord } from '../../admin/contract.ts';
import { APPROVAL } from '../../base/release-steps.ts';

/** Why a verify that somebody interrupted has no verdict. */
export const INTERRUPTED = 'interrupted';

/** The version has failed on this instance, and the release did not come to its end. */
export type FailedBefore = { readonly instance: string; readonly reason: string };

export function failedBefore(
  records: readonly Pick<ReleaseRecord, 'kind' | 'instance' | 'data'>[],
) {
  let failed: FailedBefore | null = null;
  for (const { kind, instance, data } of records) {
    if (kind !== 'failed' || data['code'] !== 'release_failed' || data['revert'] === true) continue;
    failed = { instance, reason: String(data['reason'] ?? '') };
  }
  return failed;
}

/** The instances that were put into traffic, and whose verify did not come to an end. */
export function unverified(
  records: readonly Pick<ReleaseRecord, 'kind' | 'instance' | 'step' | 'data'>[],
): ReadonlySet<string> {
  const open = new Set<string>();
  for (const { kind, instance, step, data } of records) {
    if (data['revert'] === true) open.delete(instance);
    else if (step === 'admit' && kind === 'intent') open.add(instance);
    // One that failed for the version is brought back; any other end has judged nothing.
    else if (step === 'verify' && kind === 'done' && data['not_judged'] !== INTERRUPTED)
      open.delete(instance);
  }
  return open;
}

/** What somebody has approved: it is not asked for again. */
export function approved(
  records: readonly Pick<ReleaseRecord, 'kind' | 'step' | 'data'>[],
): ReadonlySet<string> {
  const given = records.filter(({ kind, step }) => kind === 'done' && step === APPROVAL);
  return new Set(given.map(({ data }) => String(data['before'] ?? '')));
}

/** What the first runner was asked for. */
export type BegunWith = {
  readonly force: boolean;
  readonly allowDowntime: boolean;
  /** The configuration of the release; null: it was not written down. */
  readonly origin: { readonly file: string; readonly text: string } | null;
};

export function begunWith(records: readonly Pick<ReleaseRecord, 'kind' | 'data'>[]): BegunWith {
  const begin = records.find(({ kind }) => kind === 'begin');
  const settings = fieldsOf(begin?.data['settings']);
  const origin = fieldsOf(settings['origin']);
  const { file, document } = { file: origin['file'], document: origin['document'] };
  const isKnown = typeof file === 'string' && typeof document === 'object' && document !== null;
  return {
    force: settings['force'] === true,
    allowDowntime: settings['allowDowntime'] === true,
    origin: isKnown ? { file, text: JSON.stringify(document) } : null,
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
