// Where a release stands, by the records that its runner has written: the last step that it began, and whether
// it waits for a person. The lock has both, so that who reads it need not read the journal. Pure.

import type { LockDocument, ReleaseRecord } from '../admin/contract.ts';
import { APPROVAL, stepText } from '../base/release-steps.ts';

export function standing(lock: LockDocument, records: readonly ReleaseRecord[]): LockDocument {
  let { holder } = lock;
  if (holder === null) return lock;
  for (const { kind, step, instance, ts, data } of records) {
    // Whatever it does next, it waits no more.
    if (kind !== 'intent' && step !== APPROVAL) continue;
    const isWaiting = kind === 'intent' && step === APPROVAL;
    const waits = isWaiting
      ? {
          before: String(data['before'] ?? ''),
          sinceMs: Date.parse(ts) || 0,
          untilMs: Date.parse(String(data['until'])) || 0,
        }
      : undefined;
    holder = { ...holder, ...(kind === 'intent' ? { step: stepText(step, instance) } : {}), waits };
  }
  return { ...lock, holder };
}
