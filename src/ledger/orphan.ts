// What a dead runner left: pure.

import type { ReleaseRecord } from '../admin/contract.ts';

/** Steps that only take a server out of traffic: its process is what it was. */
const HARMLESS: ReadonlySet<string> = new Set(['register', 'guard', 'drain']);

/**
 * The instances that the release drained and did not touch, by its journal: they served when it came,
 * and nobody has told their process to stop. One that is taken back because it failed is not among them.
 */
export function drainedOnly(records: readonly ReleaseRecord[]): ReadonlySet<string> {
  const drained = new Set<string>();
  const touched = new Set<string>();
  for (const { kind, instance, step, data } of records) {
    if (kind !== 'intent' || instance === '') continue;
    if (!HARMLESS.has(step) || data['revert'] === true) touched.add(instance);
    else if (step === 'guard' && data['serving'] === true) drained.add(instance);
  }
  return new Set([...drained].filter((instance) => !touched.has(instance)));
}
