// What the summary of a release takes from its records, so that a page of many releases need not read their
// journals: the versions before, by its plan, and what became of the requests, by its end. Read with distrust. Pure.

import type { ReleaseRecord, ReleaseSummary } from '../admin/contract.ts';

type Told = Pick<ReleaseSummary, 'from' | 'counted'>;

const VERSIONS_MAX = 10;

/** Undefined: they say nothing of it. */
export function toldByRecords(records: readonly ReleaseRecord[]): Partial<Told> | undefined {
  let told: Partial<Told> | undefined;
  for (const { kind, data } of records) {
    if (kind === 'plan') {
      const { from } = fieldsOf(data['plan']);
      if (Array.isArray(from)) told = { ...told, from: from.slice(0, VERSIONS_MAX).map(String) };
    }
    if (kind === 'end') {
      const counted = countedIn(fieldsOf(data['receipt']));
      if (counted !== undefined) told = { ...told, counted };
    }
  }
  return told;
}

function countedIn(receipt: Readonly<Record<string, unknown>>): Told['counted'] {
  const { requests, cut, lost, retried, complete } = receipt;
  if (typeof requests !== 'number') return undefined;
  return {
    ...{ requests, failed: numberOf(cut) + numberOf(lost), retried: numberOf(retried) },
    complete: complete !== false,
  };
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
