// What the registries have of one upstream, put together, and what of it has changed.

import { OrderedMap } from '../../base/ordered-map.ts';
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
): OrderedMap<string, Registered> {
  const found = new OrderedMap<string, Registered>();
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

/** Of a list: instances in their places, others that came in between, with their places now, and ids that are gone. */
export type ListChange = {
  readonly changed: readonly Instance[];
  readonly joined: readonly { readonly instance: Instance; readonly place: number }[];
  readonly left: readonly string[];
};

/** For more that come or go than this, and where the order changes, the whole list is as cheap. */
const MOVES_MAX = 64;

/** What has changed in a registry's list of an upstream. */
export function changedInstances(
  name: string,
  last: Membership | undefined,
  next: Membership,
): ListChange | 'all' {
  if (last === undefined) return 'all';
  const isHeld = next.held.includes(name);
  if (last.held.includes(name) !== isHeld) return 'all';
  const before = last.services.get(name);
  const after = next.services.get(name);
  if (before === after) return { changed: [], joined: [], left: [] };
  if (before === undefined || after === undefined) return 'all';
  return listChange(before, after);
}

function listChange(before: readonly Instance[], after: readonly Instance[]): ListChange | 'all' {
  const changed: Instance[] = [];
  const joined: { instance: Instance; place: number }[] = [];
  const left: string[] = [];
  let at = 0;
  let place = 0;
  while (at < before.length || place < after.length) {
    const [old, instance] = [before[at], after[place]];
    if (old?.id === instance?.id) {
      if (instance !== undefined && old !== instance) changed.push(instance);
      at += 1;
      place += 1;
    } else if (old !== undefined && !isNear(after, place, old)) {
      left.push(old.id);
      at += 1;
    } else if (instance !== undefined) {
      joined.push({ instance, place });
      place += 1;
    }
    if (joined.length + left.length > MOVES_MAX) return 'all';
  }
  const gone = new Set(left);
  // Who has another place.
  if (joined.some(({ instance }) => gone.has(instance.id))) return 'all';
  return { changed, joined, left };
}

function isNear(list: readonly Instance[], from: number, { id }: Instance): boolean {
  for (let at = from; at < Math.min(list.length, from + MOVES_MAX); at += 1) {
    if (list[at]?.id === id) return true;
  }
  return false;
}
