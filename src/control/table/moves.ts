// Servers that join or leave an upstream one by one, without a look at all the others: where its members are the
// instances of one registry, one for one, each has its place there. Elsewhere a name may be several servers, or another
// list may have the same one, and all members are computed.

import { isIP } from 'node:net';
import type { OrderedMap } from '../../base/ordered-map.ts';
import type { UpstreamConfig } from '../../config.ts';
import { changedIds, type Member } from './members.ts';
import { type ListChange, type Memberships, type Registered, registeredIn } from './registered.ts';

type Upstream = {
  readonly config: UpstreamConfig;
  readonly members: OrderedMap<string, Member>;
  readonly registered: OrderedMap<string, Registered>;
  readonly admitted: Set<string>;
  /** All that are registered are written down by their addresses. */
  readonly areAddresses: boolean;
};

export function isPlain({
  config,
  areAddresses,
}: Pick<Upstream, 'config' | 'areAddresses'>): boolean {
  return areAddresses && config.servers.length === 0 && config.follows.length === 1;
}

/** Takes over what the registries say now, whole. */
export function register(
  upstream: Pick<Upstream, 'config'> & {
    -readonly [K in 'registered' | 'areAddresses']: Upstream[K];
  },
  memberships: Memberships,
): void {
  const registered = registeredIn(memberships, upstream.config);
  upstream.registered = registered;
  const hosts = [...registered.values()].map(({ instance }) => instance.host);
  upstream.areAddresses = hosts.every((host) => isIP(host) !== 0);
}

/** False: there are moves which only a look at all members can tell the effect of. */
export function isTakenOneByOne({ joined, left }: ListChange, upstream: Upstream): boolean {
  if (joined.length + left.length === 0) return true;
  return isPlain(upstream) && joined.every(({ instance }) => isIP(instance.host) !== 0);
}

/** Puts it in force among what is registered: the ids of all whom it concerns, and of those who joined or left. */
export function takeChange(
  registered: OrderedMap<string, Registered>,
  registry: string,
  { changed, joined, left }: ListChange,
): { readonly ids: ReadonlySet<string>; readonly moved: ReadonlySet<string> } {
  const ids = new Set<string>();
  for (const instance of changed) {
    const known = registered.get(instance.id);
    // Another registry counts for it.
    if (known?.registry !== registry) continue;
    registered.set(instance.id, { ...known, instance });
    ids.add(instance.id);
  }
  for (const id of left) registered.delete(id);
  for (const { instance, place } of joined) {
    const entry = { instance, registry, alsoIn: [], isHeld: false };
    registered.insert(place, instance.id, entry);
  }
  const moved = new Set([...left, ...joined.map(({ instance }) => instance.id)]);
  for (const id of moved) ids.add(id);
  return { ids, moved };
}

/**
 * Puts the members `next` of these ids, computed anew, into their places. Of the others those leave that are no longer
 * registered. Returns the ids in which the data plane sees a change.
 */
export function settle(
  upstream: Upstream,
  ids: readonly string[],
  { last, next }: Readonly<Record<'last' | 'next', ReadonlyMap<string, Member>>>,
): ReadonlySet<string> {
  const { members, registered, admitted } = upstream;
  const changed = changedIds(last, next);
  for (const id of isPlain(upstream) ? ids : []) {
    if (registered.has(id) || !members.delete(id)) continue;
    admitted.delete(id);
    changed.add(id);
  }
  // From the first to the last, so that a newcomer finds those before it in their places.
  const inOrder = [...next].sort(([a], [b]) => registered.placeOf(a) - registered.placeOf(b));
  for (const [id, member] of inOrder) {
    if (members.has(id)) members.set(id, member);
    else members.insert(registered.placeOf(id), id, member);
  }
  return changed;
}

/** The entries of these ids, as far as there are some. */
export function someOf<T>(map: ReadonlyMap<string, T>, ids: readonly string[]): Map<string, T> {
  const found = new Map<string, T>();
  for (const id of ids) {
    const value = map.get(id);
    if (value !== undefined) found.set(id, value);
  }
  return found;
}
