// Whose figures are shown, where several gateways share the registry: the sum of all, this one, or another one.

import type { Traffic } from '../../src/admin/contract.ts';

type OverGateways = Traffic & {
  readonly sum?: Traffic;
  readonly elsewhere?: Readonly<Record<string, Traffic>>;
};

/** '' = all, `own`, or the id of another one. */
export type Choice = string;

/** By row: what was made of it last. A row that did not change is not drawn again. */
const made = new WeakMap<object, { readonly choice: Choice; readonly row: object }>();

/** The same with the figures of that choice. Of a gateway that was not heard there are none. */
export function seenFrom<Row extends OverGateways>(row: Row, choice: Choice): Row {
  if (choice === 'own' || row.sum === undefined) return row;
  const known = made.get(row);
  // Of this very row.
  if (known?.choice === choice) return known.row as Row;
  const next = { ...row, ...trafficOf(row, row.sum, choice) };
  made.set(row, { choice, row: next });
  return next;
}

function trafficOf(
  { elsewhere = {}, inFlight }: OverGateways,
  sum: Traffic,
  choice: Choice,
): Traffic {
  if (choice !== '') return elsewhere[choice] ?? { inFlight: 0, lastSecond: NOTHING };
  const there = Object.values(elsewhere).reduce((all, one) => all + one.inFlight, 0);
  // What is in flight here is newer than the sum of a second that is over.
  return { inFlight: inFlight + there, lastSecond: sum.lastSecond };
}

const NOTHING = { requests: 0, failures: 0, errors: 0 };
