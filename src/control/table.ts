// The control plane's table: it keeps the facts about every server, recomputes an upstream when one
// of its facts changed, and numbers each change that the data plane must see (the generation). A change
// of servers that stay in their places costs what those servers cost; one of the list costs the list. A
// burst of changes is put together: after a recomputation that took long, the next one waits.

import type { Log } from '../base/log.ts';
import type { UpstreamConfig } from '../config.ts';
import type { CheckedServer, Verdict } from '../health.ts';
import type { Admin, TableUpdate, UpstreamChange, UpstreamState } from '../model.ts';
import type { Instance, Membership } from '../registry.ts';
import type { Override, RememberedVerdict } from '../snapshot.ts';
import { ChangedServers, type ServersChanged, type TableChanges } from '../workers.ts';
import { describeChanges } from './table/member-changes.ts';
import {
  changedIds,
  computeChanged,
  computeMembers,
  type Facts,
  isSameTable,
  type Member,
  upstreamState,
} from './table/members.ts';

export type { Member };

/** After a recomputation the next one waits so many times as long as it took, at most that long. */
const REST_FACTOR = 2;
const REST_MAX_MS = 100;

export type TableOptions = {
  readonly upstreams: readonly UpstreamConfig[];
  readonly log: Log;
  /** The first generation. */
  readonly generation: number;
  readonly membership: Membership | undefined;
  readonly overrides: readonly Override[];
  readonly verdicts: readonly RememberedVerdict[];
  readonly addresses: (name: string) => readonly string[];
  /** The data plane must hear about these upstreams. */
  readonly onChange: (changes: TableChanges) => void;
  /** Who is to be probed in an upstream may have changed. */
  readonly onMembers: (upstream: UpstreamConfig, servers: readonly CheckedServer[]) => void;
  /** Whether one server is to be probed may have changed; undefined: it is not. */
  readonly onMember: (
    upstream: UpstreamConfig,
    id: string,
    server: CheckedServer | undefined,
  ) => void;
};

export type KnownUpstream = {
  readonly config: UpstreamConfig;
  /** In the balancer's order. */
  readonly members: ReadonlyMap<string, Member>;
  readonly overrides: Map<string, Admin>;
  readonly verdicts: Map<string, RememberedVerdict>;
};

type Upstream = KnownUpstream & {
  members: Map<string, Member>;
  /** What the registry has of it, by id. */
  registered: Map<string, Instance>;
};

export class Table {
  readonly #options: TableOptions;
  readonly #upstreams: ReadonlyMap<string, Upstream>;
  /** To recompute. */
  readonly #dirty = new ChangedServers();
  /** Whether they are to be probed may have changed, too. */
  readonly #probing = new ChangedServers();
  #membership: Membership | undefined;
  #generation: number;
  #restUntilMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#generation = options.generation;
    this.#membership = options.membership;
    this.#upstreams = new Map(
      options.upstreams.map((config) => [
        config.name,
        {
          config,
          members: new Map<string, Member>(),
          registered: registeredIn(options.membership, config),
          overrides: new Map(
            options.overrides
              .filter(({ upstream }) => upstream === config.name)
              .map(({ server, admin }) => [server, admin]),
          ),
          verdicts: new Map(
            options.verdicts
              // Nobody would ever correct the verdict of a check that is gone from the config.
              .filter(({ upstream }) => upstream === config.name && config.check !== null)
              .map((verdict) => [verdict.server, verdict]),
          ),
        },
      ]),
    );
    for (const upstream of this.#upstreams.values()) {
      this.#recompute(upstream, 'all');
      this.#tellChecker(upstream);
    }
  }

  get generation(): number {
    return this.#generation;
  }

  /** Undefined until the registry, or the snapshot of an earlier run, has said something. */
  get membership(): Membership | undefined {
    return this.#membership;
  }

  get upstreams(): readonly KnownUpstream[] {
    return [...this.#upstreams.values()];
  }

  upstream(name: string): KnownUpstream | undefined {
    return this.#upstreams.get(name);
  }

  member(upstream: string, server: string): Member | undefined {
    return this.#upstreams.get(upstream)?.members.get(server);
  }

  /** For a worker: what changed, or all. */
  update(changes?: TableChanges): TableUpdate {
    const upstreams: UpstreamState[] = [];
    const changed: UpstreamChange[] = [];
    for (const { config, members } of this.#upstreams.values()) {
      const servers = changes === undefined ? 'all' : changes.get(config.name);
      if (servers === 'all') upstreams.push(upstreamState(config, members));
      else if (servers !== undefined) {
        const states = [...servers].flatMap((id) => members.get(id)?.state ?? []);
        changed.push({ name: config.name, servers: states });
      }
    }
    return { generation: this.#generation, upstreams, changed, removed: [] };
  }

  setMembership(membership: Membership): void {
    const last = this.#membership;
    this.#membership = membership;
    for (const upstream of this.#upstreams.values()) {
      const { name } = upstream.config;
      const changed = changedInstances(name, last, membership);
      if (changed.length === 0) continue;
      if (changed === 'all') {
        upstream.registered = registeredIn(membership, upstream.config);
        this.#probing.add(name, 'all');
        this.#dirty.add(name, 'all');
      } else if (upstream.config.followRegistry) {
        for (const instance of changed) upstream.registered.set(instance.id, instance);
        this.#dirty.add(name, new Set(changed.map(({ id }) => id)));
      }
    }
    this.#schedule();
  }

  /** These host names have other addresses. */
  setAddresses(names: ReadonlySet<string>): void {
    for (const { config, members } of this.#upstreams.values()) {
      const moved = new Set<string>();
      for (const { state } of members.values()) if (names.has(state.host)) moved.add(state.id);
      if (moved.size === 0) continue;
      this.#dirty.add(config.name, moved);
      this.#probing.add(config.name, moved);
    }
    this.#schedule();
  }

  /** Names and addresses of all members. */
  hosts(): Set<string> {
    const hosts = new Set<string>();
    for (const { members } of this.#upstreams.values()) {
      for (const { state } of members.values()) hosts.add(state.host);
    }
    return hosts;
  }

  setVerdict(verdict: Verdict): void {
    const upstream = this.#upstreams.get(verdict.upstream);
    if (upstream === undefined) return;
    const { changed, ...remembered } = verdict;
    upstream.verdicts.set(verdict.server, remembered);
    if (!changed) return;
    this.#dirty.add(verdict.upstream, new Set([verdict.server]));
    this.#schedule();
  }

  /** In force, with its generation, when it returns. */
  setOverride(upstream: string, server: string, admin: Admin): void {
    const known = this.#upstreams.get(upstream);
    if (known === undefined) return;
    if (admin.state === 'ready') known.overrides.delete(server);
    else known.overrides.set(server, admin);
    this.#dirty.add(upstream, new Set([server]));
    this.#probing.add(upstream, new Set([server]));
    this.#flush();
  }

  /** All, also those about upstreams that the config does not have at present. */
  overrides(): Override[] {
    const known = this.upstreams.flatMap(({ config, overrides }) =>
      [...overrides].map(([server, admin]) => ({ upstream: config.name, server, admin })),
    );
    const foreign = this.#options.overrides.filter(
      ({ upstream }) => !this.#upstreams.has(upstream),
    );
    return [...known, ...foreign];
  }

  verdicts(): RememberedVerdict[] {
    return this.upstreams.flatMap(({ verdicts }) => [...verdicts.values()]);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** At once when the last flush was cheap or long ago: a single change is never delayed. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#dirty.isEmpty) return;
    const restMs = this.#restUntilMs - performance.now();
    if (restMs <= 0) {
      this.#flush();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, restMs);
  }

  #flush(): void {
    const startMs = performance.now();
    this.#generation += 1;
    const changed = new Map<string, ServersChanged>();
    for (const [name, servers] of this.#dirty.take()) {
      const upstream = this.#upstreams.get(name);
      if (upstream === undefined) continue;
      const found = this.#recompute(upstream, servers);
      if (found === 'all' || found.size > 0) changed.set(name, found);
    }
    for (const [name, servers] of this.#probing.take()) {
      const upstream = this.#upstreams.get(name);
      if (upstream !== undefined) this.#tellChecker(upstream, servers);
    }
    if (changed.size > 0) this.#options.onChange(changed);
    else this.#generation -= 1;
    const endMs = performance.now();
    this.#restUntilMs = endMs + Math.min(REST_MAX_MS, REST_FACTOR * (endMs - startMs));
  }

  /** What the data plane must hear of. */
  #recompute(upstream: Upstream, servers: ServersChanged): ServersChanged {
    const { members } = upstream;
    const facts = this.#factsOf(upstream);
    if (servers === 'all') {
      upstream.members = computeMembers(facts);
      this.#log(upstream, members, upstream.members);
      return isSameTable(members, upstream.members) ? new Set() : 'all';
    }
    const ids = [...servers].filter((id) => members.has(id));
    const last = new Map(ids.flatMap((id) => entryOf(members, id)));
    const next = computeChanged(facts, ids);
    this.#log(upstream, last, next);
    // Those that are there keep their places.
    for (const [id, member] of next) members.set(id, member);
    return changedIds(last, next);
  }

  #log(
    { config }: KnownUpstream,
    last: ReadonlyMap<string, Member>,
    next: ReadonlyMap<string, Member>,
  ): void {
    for (const { fields, message } of describeChanges(last, next)) {
      this.#options.log.info({ upstream: config.name, ...fields }, message);
    }
  }

  #factsOf({ config, members, registered, overrides, verdicts }: Upstream): Facts {
    return {
      config,
      registered,
      isHeld: this.#membership?.held.includes(config.name) === true,
      overrides,
      addresses: this.#options.addresses,
      // In maint nothing is known of a server: it will probably be another process afterwards.
      checks: (server) =>
        overrides.get(server)?.state === 'maint'
          ? 'unknown'
          : (verdicts.get(server)?.checks ?? 'unknown'),
      last: members,
      nowMs: Date.now(),
      generation: this.#generation,
    };
  }

  /** All are probed but those in an operator's maint: down=1 in the registry is still watched. */
  #tellChecker(upstream: Upstream, servers: ServersChanged = 'all'): void {
    const { config, members, verdicts } = upstream;
    if (servers !== 'all') {
      for (const id of servers) {
        if (!isListed(upstream, id)) verdicts.delete(id);
        this.#options.onMember(config, id, checkedServer(upstream, id));
      }
      return;
    }
    const probed = [...members.keys()].flatMap((id) => checkedServer(upstream, id) ?? []);
    for (const id of verdicts.keys()) if (!isListed(upstream, id)) verdicts.delete(id);
    this.#options.onMembers(config, probed);
  }
}

/** False: its verdict is forgotten. */
function isListed({ members, overrides }: KnownUpstream, id: string): boolean {
  return members.has(id) && overrides.get(id)?.state !== 'maint';
}

/** Undefined: not to be probed. Without an address there is nothing to probe, yet the verdict stays. */
function checkedServer(upstream: KnownUpstream, id: string): CheckedServer | undefined {
  const state = upstream.members.get(id)?.state;
  if (state === undefined || !isListed(upstream, id) || state.addresses.length === 0) {
    return undefined;
  }
  const { host, port, addresses } = state;
  const initial = upstream.verdicts.get(id);
  const server = { id, host, port, addresses };
  return initial === undefined ? server : { ...server, initial };
}

function registeredIn(
  membership: Membership | undefined,
  { name, followRegistry }: UpstreamConfig,
): Map<string, Instance> {
  const instances = followRegistry ? (membership?.services.get(name) ?? []) : [];
  return new Map(instances.map((instance) => [instance.id, instance]));
}

/** What is different in the list of an upstream: those in their places, or the list itself. */
function changedInstances(
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

function entryOf<T>(map: ReadonlyMap<string, T>, id: string): readonly (readonly [string, T])[] {
  const value = map.get(id);
  return value === undefined ? [] : [[id, value]];
}
