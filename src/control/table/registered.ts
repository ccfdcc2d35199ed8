// What the registries have of one upstream, put together, and what of it has changed.

import type { UpstreamConfig } from '../../config.ts';
import type { Instance, Membership } from '../../registry.ts';

/** What each registry says, by its name. */
export type Memberships = ReadonlyMap<string, Membership>;

/** A server of a registry, as the table uses it. */
export type Registered = {
  readonly instance: Instance;
  /** The name of the registry. */
  readonly registry: string;
  /** Registries that also have it and that the upstream names later. */
  readonly alsoIn: readonly string[];
  /** True when the whole list has vanished there, so that the last one stays. */
  readonly isHeld: boolean;
};

/** By id, in the order of the registries and of their lists. The first that has a server counts. */
export function registeredIn(
  memberships: Memberships,
  { name, follows }: UpstreamConfig,
): Map<string, Registered> {
  const found = new Map<string, Registered>();
  for (const { registry } of follows) {
    const membership = memberships.get(registry);
    if (membership === undefined) continue;
    const isHeld = membership.held.includes(name);
    for (const instance of membership.services.get(name) ?? []) {
      const first = found.get(instance.id);
      const entry =
        first === undefined
          ? { instance, registry, alsoIn: NOWHERE, isHeld }
          : { ...first, alsoIn: [...first.alsoIn, registry] };
      found.set(instance.id, entry);
    }
  }
  return found;
}

const NOWHERE: readonly string[] = [];

/** What has changed in a registry's list of an upstream: servers that keep their places, or all. */
export function changedInstances(
  name: string,
  last: Membership | undefined,
  next: Membership,
): readonly Instance[] | 'all' {
  if (last === undefined) return 'all';
  const isHeld = next.held.includes(name);
  if (last.held.includes(name) !== isHeld) return 'all';
  const before = last.services.get(name);
  const after = next.services.get(name);
  if (before === after) return [];
  if (before === undefined || after === undefined || before.length !== after.length) return 'all';
  const changed: Instance[] = [];
  for (const [place, instance] of after.entries()) {
    const known = before[place];
    if (known === instance) continue;
    if (known?.id !== instance.id) return 'all';
    changed.push(instance);
  }
  return changed;
}
