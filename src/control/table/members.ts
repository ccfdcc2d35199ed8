// Which servers are in an upstream, in which state: config, registry, operator intent and verdicts put
// together. Pure: facts in, the state for the data plane out; who keeps the facts is table.ts.

import { isIP } from 'node:net';
import { OrderedMap } from '../../base/ordered-map.ts';
import { formatAddress } from '../../base/units.ts';
import type { StaticServer, UpstreamConfig } from '../../config.ts';
import {
  type Admin,
  type Checks,
  isRecordOwner,
  isSameAttributes,
  ownerText,
  READY,
  type ServerState,
  stateAttributes,
  stricterAdmin,
  type UpstreamState,
  withFile,
} from '../../model.ts';
import type { Instance } from '../../registry.ts';
import { isSameList } from '../names.ts';
import { overrideOf, ownAddresses, writtenId } from './name-members.ts';
import type { Registered } from './registered.ts';

export type Source = 'config' | 'registry' | 'held';

export type Member = {
  readonly state: ServerState;
  readonly source: Source;
  /** The registry that counts; '' = it is of the config file alone. */
  readonly registry: string;
  /** Registries that have it, too. */
  readonly alsoIn: readonly string[];
  readonly admin: Admin;
  /** The generation that brought this `admin`. */
  readonly adminGeneration: number;
  /** Its record says that an intent took it out, and no intent is known. */
  readonly isLeftDown?: boolean;
};

/** What is known about the servers of one upstream. Maps and functions go by server id. */
export type Facts = {
  readonly config: UpstreamConfig;
  /** What the registries have, by id. Their record wins where the config names the same server. */
  readonly registered: ReadonlyMap<string, Registered>;
  readonly overrides: ReadonlyMap<string, Admin>;
  readonly checks: (server: string) => Checks;
  /** True: the server takes no requests before it has passed its checks. */
  readonly mustPass: (server: string) => boolean;
  /** Servers that are down by their checks take requests. */
  readonly isPanic: boolean;
  /** The addresses of a host name. */
  readonly addresses: (name: string) => readonly string[];
  /** The members before this change. Some of their times must stay as they are. */
  readonly last: ReadonlyMap<string, Member>;
  readonly nowMs: number;
  readonly generation: number;
};

/** The attributes of a server, from the config or from a registry. */
type Record = StaticServer &
  Pick<Member, 'source' | 'registry' | 'alsoIn'> &
  Pick<Instance, 'isIntentDown'> & {
    /** The one of its name's that it is; undefined: all of them. */
    readonly address?: string;
  };

/** In the balancer's order: the config's servers, then those that only the registry knows. */
export function computeMembers(facts: Facts): OrderedMap<string, Member> {
  return new OrderedMap(
    mergeRecords(facts).map((record) => [record.id, computeMember(record, facts)]),
  );
}

/** Computes these servers alone: members, which keep their places, and such as are to become members. */
export function computeChanged(facts: Facts, ids: Iterable<string>): Map<string, Member> {
  const members = new Map<string, Member>();
  for (const id of ids) {
    const written = facts.last.get(id)?.state ?? { id, host: '', port: 0 };
    const found =
      recordById(facts, id) ??
      (written.host === '' ? undefined : recordById(facts, writtenId(written)));
    const record =
      found === undefined ? undefined : expand(found, facts).find((one) => one.id === id);
    if (record !== undefined) members.set(id, computeMember(record, facts));
  }
  return members;
}

export function upstreamState(
  config: UpstreamConfig,
  members: ReadonlyMap<string, Member>,
): UpstreamState {
  const servers = [...members.values()].map(({ state }) => state);
  return { name: config.name, ...settingsOf(config), servers };
}

/** What the data plane has of the upstream itself. */
export function settingsOf({ balancing, slowStartMs, maxEjected }: UpstreamConfig) {
  return { balancing, slowStartMs, maxEjected };
}

/** True when the data plane would see no difference. */
export function isSameTable(
  a: ReadonlyMap<string, Member>,
  b: ReadonlyMap<string, Member>,
): boolean {
  if (a.size !== b.size) return false;
  const others = b.values();
  for (const member of a.values()) {
    const other = others.next().value;
    if (other === undefined || !isSameState(member.state, other.state)) return false;
  }
  return true;
}

/** The servers of `next` in which the data plane would see a change. */
export function changedIds(
  last: ReadonlyMap<string, Member>,
  next: ReadonlyMap<string, Member>,
): Set<string> {
  const ids = new Set<string>();
  for (const [id, { state }] of next) {
    const before = last.get(id);
    if (before === undefined || !isSameState(before.state, state)) ids.add(id);
  }
  return ids;
}

function recordById({ config, registered }: Facts, id: string): Record | undefined {
  return recordOf(
    config.servers.find((candidate) => candidate.id === id),
    registered.get(id),
  );
}

function mergeRecords(facts: Facts): Record[] {
  const { config, registered } = facts;
  const records: Record[] = [];
  const named = new Set(config.servers.map(({ id }) => id));
  const add = (server: StaticServer | undefined, found: Registered | undefined): void => {
    const record = recordOf(server, found);
    if (record !== undefined) records.push(record);
  };
  for (const server of config.servers) add(server, registered.get(server.id));
  for (const [id, found] of registered) {
    if (!named.has(id)) add(undefined, found);
  }
  if (records.every(({ host }) => isIP(host) !== 0)) return records;
  // One that is written down by its address counts before the same one by a name.
  const seen = new Set(records.map(({ id }) => id));
  return records.flatMap((record) =>
    expand(record, facts).filter(({ id, address }) => {
      if (address === undefined) return true;
      if (seen.has(id)) return false;
      seen.add(id);
      return true;
    }),
  );
}

/** A server for each address of its name, where these are several. */
function expand(record: Record, { addresses }: Facts): readonly Record[] {
  const { host, port } = record;
  const own = isIP(host) === 0 ? ownAddresses(addresses(host)) : [];
  if (own.length === 0) return [record];
  return own.map((address) => ({
    ...record,
    id: formatAddress({ host: address, port }),
    address,
  }));
}

function recordOf(
  server: StaticServer | undefined,
  found: Registered | undefined,
): Record | undefined {
  if (found !== undefined) {
    const { instance, registry, alsoIn, isHeld } = found;
    const source = isHeld ? 'held' : 'registry';
    return { ...instance, ...withFile(instance, server), source, registry, alsoIn };
  }
  return server === undefined
    ? undefined
    : { ...server, source: 'config', registry: '', alsoIn: [] };
}

function computeMember(record: Record, facts: Facts): Member {
  const { overrides, last, nowMs, generation } = facts;
  const { id, host, port, address } = record;
  const before = last.get(id);
  // The id says the host: that of an address never changes.
  const addresses =
    address !== undefined
      ? [address]
      : isIP(host) === 0
        ? facts.addresses(host)
        : (before?.state.addresses ?? [host]);
  const place = { id, host, port, addresses, ...stateAttributes(record) };
  const override = overrideOf(overrides, place);
  // The record only repeats what is known of the intent itself.
  const isRepeated = record.isIntentDown === true && override !== undefined;
  const recorded = isRepeated ? READY : recordAdmin(record, nowMs);
  const wanted = stricterAdmin(override ?? READY, recorded);
  // Down since it was first seen down, not since the last time it was looked at.
  const admin = before !== undefined && isSameIntent(before.admin, wanted) ? before.admin : wanted;
  // In maint nothing is known of a server: it will probably be another process afterwards.
  const checks = override?.state === 'maint' ? 'unknown' : facts.checks(id);
  return {
    state: {
      ...place,
      admin: admin.state,
      checks,
      ...(facts.isPanic && checks === 'down' ? { isPanic: true } : {}),
      mustPass: facts.mustPass(id),
    },
    source: record.source,
    registry: record.registry,
    alsoIn: record.alsoIn,
    admin,
    isLeftDown: record.isIntentDown === true && record.down && override === undefined,
    adminGeneration: before?.admin.state === admin.state ? before.adminGeneration : generation,
  };
}

function recordAdmin(record: Record, nowMs: number): Admin {
  if (!record.down) return READY;
  const isFile = record.source === 'config';
  return {
    state: 'maint',
    owner: ownerText({ kind: isFile ? 'config' : 'registry' }),
    reason: isFile ? 'down in the config file' : 'down=1 in the registry',
    sinceMs: nowMs,
  };
}

function isSameIntent(a: Admin, b: Admin): boolean {
  if (a.state !== b.state || a.owner !== b.owner || a.reason !== b.reason) return false;
  // An override carries its own time; a record's is the time of the first look.
  return a.sinceMs === b.sinceMs || isRecordOwner(a.owner);
}

function isSameState(a: ServerState, b: ServerState): boolean {
  return (
    a.id === b.id &&
    isSameAttributes(a, b) &&
    a.admin === b.admin &&
    a.checks === b.checks &&
    a.mustPass === b.mustPass &&
    a.isPanic === b.isPanic &&
    a.host === b.host &&
    isSameList(a.addresses, b.addresses) &&
    a.port === b.port
  );
}
