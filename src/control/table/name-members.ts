// Servers given by name. A name with one address is one server, and its id is the name. A name with several
// is a server for each of them, as for nginx, and each has its address as id: another process stands behind
// each, with its own checks, its own requests in flight and its own drains.
//
//   app.internal:80   10.0.0.1                        →  app.internal:80
//   app.internal:80   10.0.0.1, 10.0.0.2              →  10.0.0.1:80, 10.0.0.2:80
//   app.internal:80   10.0.0.1, fd00::1               →  app.internal:80   one machine in two families
//
// Addresses of the other family than the first's are other ways to the same machines. When a name gets a
// second address, or loses it, the server that stays has another id; what is known of it goes along, and
// what was said of the one id holds for the other.

import { isIP } from 'node:net';
import { formatAddress } from '../../base/units.ts';
import { type Admin, type ServerState, stricterAdmin } from '../../model.ts';
import type { RememberedVerdict } from '../../snapshot.ts';

type Identity = Pick<ServerState, 'id' | 'host' | 'port' | 'addresses'>;

/** The addresses that are servers of their own; none where the name is one server, or is an address. */
export function ownAddresses(addresses: readonly string[]): readonly string[] {
  const [first = ''] = addresses;
  const family = isIP(first);
  const own = addresses.filter((address) => isIP(address) === family);
  return own.length > 1 ? own : [];
}

/** The id that a server has by its name, or its only address; undefined: it has no other. */
export function otherId({ id, host, port, addresses }: Identity): string | undefined {
  if (isIP(host) !== 0) return undefined;
  const byName = formatAddress({ host, port });
  if (id !== byName) return byName;
  const [only] = addresses;
  return only === undefined ? undefined : formatAddress({ host: only, port });
}

/** Under which the server is written down: its name, where it is one of several addresses. */
export function writtenId({ id, host, port }: Omit<Identity, 'addresses'>): string {
  return isIP(host) === 0 ? formatAddress({ host, port }) : id;
}

/** Of members: those with this id, or whose other id it is. */
export function namesakes<Member extends { readonly state: ServerState }>(
  members: ReadonlyMap<string, Member>,
  id: string,
): readonly Member[] {
  const own = members.get(id);
  if (own !== undefined) return [own];
  return [...members.values()].filter(({ state }) => otherId(state) === id);
}

/** What people and releases want of a server, under both of its ids: the stricter. */
export function overrideOf(
  overrides: ReadonlyMap<string, Admin>,
  server: Identity,
): Admin | undefined {
  if (overrides.size === 0) return undefined;
  const own = overrides.get(server.id);
  const other = otherId(server);
  const second = other === undefined ? undefined : overrides.get(other);
  if (own === undefined || second === undefined) return own ?? second;
  return stricterAdmin(own, second);
}

/** True when one of these names is, or was, several servers. */
export function isOfSeveral(
  members: ReadonlyMap<string, { readonly state: ServerState }>,
  names: ReadonlySet<string>,
  addresses: (name: string) => readonly string[],
): boolean {
  for (const { state } of members.values()) {
    if (!names.has(state.host)) continue;
    if (state.id !== writtenId(state) || ownAddresses(addresses(state.host)).length > 0)
      return true;
  }
  return false;
}

/**
 * The same processes under other ids: what their checks said stays true, and who was let in stays in. True
 * when there was something to take along.
 */
export function carryOver(
  known: {
    readonly verdicts: Map<string, RememberedVerdict>;
    readonly admitted: Set<string>;
  },
  last: ReadonlyMap<string, { readonly state: ServerState }>,
  next: ReadonlyMap<string, { readonly state: ServerState }>,
): boolean {
  const { verdicts, admitted } = known;
  let isCarried = false;
  for (const [to, { state }] of next) {
    const from = last.has(to) ? undefined : otherId(state);
    const before = from === undefined ? undefined : last.get(from);
    // The same process: the same address is behind it.
    if (from === undefined || before?.state.addresses[0] !== state.addresses[0]) continue;
    const verdict = verdicts.get(from);
    if (verdict !== undefined) verdicts.set(to, { ...verdict, server: to });
    if (admitted.has(from)) admitted.add(to);
    isCarried ||= verdict !== undefined || admitted.has(to);
  }
  return isCarried;
}
