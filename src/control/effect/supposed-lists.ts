// The lists of the registries as they would be when records were written or removed.

import type { Instance } from '../../registry.ts';
import type { Memberships } from '../table.ts';

export type ListChange = {
  readonly registry: string;
  readonly service: string;
  /** Instances by id that are written, and ids whose records are removed. */
  readonly written?: readonly Instance[];
  readonly removed?: ReadonlySet<string>;
  /** False: a list that vanishes is held at its last state. */
  readonly mayBeEmpty: boolean;
};

/** `isHeld`: the last record would go, and the list stays as it is. */
export function supposedLists(
  memberships: Memberships,
  { registry, service, written = [], removed = new Set(), mayBeEmpty }: ListChange,
): { readonly memberships: Memberships; readonly isHeld: boolean } {
  const last = memberships.get(registry);
  const list = last?.services.get(service) ?? [];
  if (last?.held.includes(service) === true && written.length === 0) {
    return { memberships, isHeld: true };
  }
  // A held list is of servers that have no records any more: with the first one written it is over.
  const kept = last?.held.includes(service) === true ? [] : list;
  const changed = new Map(kept.map((instance) => [instance.id, instance]));
  for (const id of removed) changed.delete(id);
  for (const instance of written) changed.set(instance.id, instance);
  if (changed.size === 0 && list.length > 0 && !mayBeEmpty) return { memberships, isHeld: true };
  const next = {
    ...(last ?? { index: 0, problems: [] }),
    services: new Map([...(last?.services ?? []), [service, [...changed.values()]] as const]),
    held: (last?.held ?? []).filter((name) => name !== service),
  };
  return { memberships: new Map([...memberships, [registry, next]]), isHeld: false };
}
