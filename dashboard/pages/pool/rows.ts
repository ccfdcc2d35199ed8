// Which servers of a pool are shown, and in which order.

import type { PoolServer } from '../../../src/admin/contract.ts';

export const COLUMNS = [
  'server',
  'state',
  'version',
  'weight',
  'inFlight',
  'requests',
  'p99',
  'errors',
  'since',
] as const;
export type Column = (typeof COLUMNS)[number];

export type Sorting = { readonly column: Column; readonly isDown: boolean };

export type Shown = {
  /** A part of the name, version, state, owner or reason; words are all found. */
  readonly filter: string;
  readonly onlyProblems: boolean;
  readonly sorting: Sorting;
};

/** `-p99`: the most first. Anything else is by name. */
export function parseSorting(text: string): Sorting {
  const isDown = text.startsWith('-');
  const name = isDown ? text.slice(1) : text;
  const column = COLUMNS.find((known) => known === name);
  return column === undefined ? { column: 'server', isDown: false } : { column, isDown };
}

/** What a click on the head of a column makes of it, as text; '' = as at first. */
export function nextSorting({ column, isDown }: Sorting, clicked: Column): string {
  // Of numbers people look for the most.
  const isNumber = clicked !== 'server' && clicked !== 'state' && clicked !== 'version';
  const down = clicked === column ? !isDown : isNumber;
  return clicked === 'server' && !down ? '' : `${down ? '-' : ''}${clicked}`;
}

/** It does not do what it is there for, or something failed in the last second. */
export function isProblem({ eligibility, lastSecond, outElsewhere, resting }: PoolServer): boolean {
  const { errors, failures } = lastSecond;
  return eligibility !== 'ok' || errors + failures > 0 || outElsewhere.length > 0 || resting !== '';
}

export function shownServers(
  servers: Readonly<Record<string, PoolServer>>,
  { filter, onlyProblems, sorting }: Shown,
): readonly (readonly [string, PoolServer])[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = Object.entries(servers).filter(([id, server]) => {
    if (onlyProblems && !isProblem(server)) return false;
    const { version, eligibility, admin, addresses, checkReason } = server;
    const parts = [id, version, eligibility, admin.owner, admin.reason, checkReason, ...addresses];
    const text = parts.join('\n').toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const sign = sorting.isDown ? -1 : 1;
  return shown.sort(
    ([a, first], [b, second]) =>
      sign * compare(keyOf(sorting.column, a, first), keyOf(sorting.column, b, second)) ||
      names(a, b),
  );
}

function keyOf(column: Column, id: string, server: PoolServer): string | number {
  const { lastSecond, eligibility, version, weight, inFlight, admin } = server;
  const { requests, errors, failures, p99Ms = -1 } = lastSecond;
  const keys: Readonly<Record<Column, string | number>> = {
    ...{ server: id, state: eligibility, version, weight, inFlight, requests, p99: p99Ms },
    ...{ errors: errors + failures, since: admin.sinceMs },
  };
  return keys[column];
}

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : names(String(a), String(b));
}

/** web-2 stands before web-10. */
const { compare: names } = new Intl.Collator('en', { numeric: true });
