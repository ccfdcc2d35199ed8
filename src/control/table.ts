// The control plane's table: it keeps the facts about every server, recomputes an upstream when one
// of its facts changed, and numbers each change that the data plane must see (the generation). A change
// of servers costs what those servers cost, also where some join or leave (table/moves.ts). A
// burst of changes is put together: after a recomputation that took long, the next one waits.

import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../base/log.ts';
import { OrderedMap } from '../base/ordered-map.ts';
import type { UpstreamConfig } from '../config.ts';
import type { CheckedServer, Verdict } from '../health.ts';
import { type Admin, standingOf, type TableUpdate } from '../model.ts';
import type { Membership } from '../registry.ts';
import type { Override, RememberedVerdict } from '../snapshot.ts';
import { ChangedServers, type ServersChanged, type TableChanges } from '../workers.ts';
import { describeChanges } from './table/member-changes.ts';
import {
  computeChanged,
  computeMembers,
  type Facts,
  isSameTable,
  type Member,
  settingsOf,
} from './table/members.ts';
import { isPlain, isTakenOneByOne, register, settle, someOf, takeChange } from './table/moves.ts';
import { carryOver, isOfSeveral, namesakes } from './table/name-members.ts';
import { Overrides } from './table/overrides.ts';
import { PanicWatch } from './table/panic.ts';
import { checkedServer, isListed } from './table/probing.ts';
import {
  changedInstances,
  type Memberships,
  type Registered,
  registeredIn,
} from './table/registered.ts';
import { tableUpdate } from './table/table-update.ts';

export { namesakes, otherId, writtenId } from './table/name-members.ts';
export type { Member, Memberships };

/** The next recomputation waits this many times as long as the last one took, but at most REST_MAX_MS. */
const REST_FACTOR = 2;
const REST_MAX_MS = 100;

export type TableOptions = {
  readonly log: Log;
  /** The generation to go on from. */
  readonly generation: number;
  readonly memberships: Memberships;
  readonly overrides: readonly Override[];
  readonly verdicts: readonly RememberedVerdict[];
  readonly addresses: (name: string) => readonly string[];
  /** The data plane must hear about these upstreams. */
  readonly onChange: (changes: TableChanges) => void;
  /** Which servers of an upstream are to be probed may have changed. */
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
  readonly overrides: ReadonlyMap<string, Admin>;
  readonly verdicts: ReadonlyMap<string, RememberedVerdict>;
};

type Upstream = KnownUpstream & {
  config: UpstreamConfig;
  members: OrderedMap<string, Member>;
  /** Servers that serve without a verdict: they took requests when the configuration began to ask for one. */
  readonly admitted: Set<string>;
  readonly overrides: Map<string, Admin>;
  readonly panic: PanicWatch;
  readonly verdicts: Map<string, RememberedVerdict>;
  /** What the registries have of it, by id. */
  registered: OrderedMap<string, Registered>;
  /** All of these are written down by their addresses. */
  areAddresses: boolean;
};

export type Supposition = {
  readonly overrides?: ReadonlyMap<string, Admin>;
  readonly memberships?: Memberships;
};

export class Table {
  readonly #options: TableOptions;
  #upstreams: ReadonlyMap<string, Upstream> = new Map();
  readonly #overrides: Overrides;
  /** Verdicts of an earlier run, for the upstreams of the first configuration. */
  #remembered: readonly RememberedVerdict[];
  /** Servers that must be recomputed. */
  readonly #dirty = new ChangedServers();
  readonly isSettled = (): boolean => this.#dirty.isEmpty;
  /** Servers of which it must also be found out anew whether they are probed. */
  readonly #probing = new ChangedServers();
  readonly #memberships: Map<string, Membership>;
  #generation: number;
  #restUntilMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#generation = options.generation;
    this.#memberships = new Map(options.memberships);
    this.#remembered = options.verdicts;
    this.#overrides = new Overrides(options.overrides);
  }

  /**
   * From now on there are these upstreams, in this order. What is known of a server stays with its id.
   * Returns what the data plane must hear of, with removed upstreams. It is a generation of its own.
   */
  setUpstreams(configs: readonly UpstreamConfig[]): TableChanges {
    const last = this.#upstreams;
    const changes = new Map<string, ServersChanged>();
    this.#generation += 1;
    const next = configs.map((config) => last.get(config.name) ?? this.#create(config));
    this.#upstreams = new Map(next.map((upstream) => [upstream.config.name, upstream]));
    this.#remembered = [];
    for (const config of configs) {
      const upstream = this.#upstreams.get(config.name);
      const before = last.get(config.name)?.config;
      if (upstream === undefined || isDeepStrictEqual(before, config)) continue;
      if (this.#reconfigure(upstream, config, before)) changes.set(config.name, 'all');
    }
    for (const [name, { config }] of last) {
      if (this.#upstreams.has(name)) continue;
      changes.set(name, 'all');
      this.#options.onMembers(config, []);
    }
    return changes;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Those of the registries that, or of which the snapshot of an earlier run, have said something. */
  get memberships(): Memberships {
    return this.#memberships;
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

  /** What a worker is sent: what has changed, or all. */
  update(changes?: TableChanges): TableUpdate {
    return tableUpdate(this.#generation, this.#upstreams, changes);
  }

  /** The members as they would be with other words or records. Nothing changes. */
  supposed(name: string, other: Supposition): ReadonlyMap<string, Member> {
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) return new Map();
    const { overrides = upstream.overrides, memberships } = other;
    const { config } = upstream;
    const registered =
      memberships === undefined ? upstream.registered : registeredIn(memberships, config);
    return computeMembers({ ...this.#factsOf(upstream), overrides, registered });
  }

  /** What this registry says now; what the others say stays. */
  setMembership(registry: string, membership: Membership): void {
    const last = this.#memberships.get(registry);
    this.#memberships.set(registry, membership);
    for (const upstream of this.#upstreams.values()) {
      const { name, follows } = upstream.config;
      if (!follows.some((followed) => followed.registry === registry)) continue;
      const changed = changedInstances(name, last, membership);
      if (changed === 'all' || !isTakenOneByOne(changed, upstream)) {
        register(upstream, this.#memberships);
        this.#probing.add(name, 'all');
        this.#dirty.add(name, 'all');
      } else {
        const { ids, moved } = takeChange(upstream.registered, registry, changed);
        if (moved.size > 0) this.#probing.add(name, moved);
        if (ids.size > 0) this.#dirty.add(name, ids);
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
      // With another number of addresses a name may be another number of servers.
      const servers = isOfSeveral(members, names, this.#options.addresses) ? 'all' : moved;
      this.#dirty.add(config.name, servers);
      this.#probing.add(config.name, servers);
    }
    this.#schedule();
  }

  /** Names and addresses of all members. */
  hosts(): Set<string> {
    const members = this.upstreams.flatMap((upstream) => [...upstream.members.values()]);
    return new Set(members.map(({ state }) => state.host));
  }

  setVerdict(verdict: Verdict): void {
    const upstream = this.#upstreams.get(verdict.upstream);
    if (upstream === undefined) return;
    const { changed, ...remembered } = verdict;
    upstream.verdicts.set(verdict.server, remembered);
    if (!changed) return;
    upstream.admitted.delete(verdict.server);
    this.#dirty.add(verdict.upstream, new Set([verdict.server]));
    this.#schedule();
  }

  /** All overrides of an upstream from now on; in force, with their generation, when it returns. */
  setOverrides(name: string, next: ReadonlyMap<string, Admin>): void {
    const ids = this.#overrides.set(name, next);
    const upstream = this.#upstreams.get(name);
    for (const id of ids) {
      if (upstream === undefined || next.get(id)?.state !== 'maint') continue;
      for (const { state } of namesakes(upstream.members, id)) upstream.admitted.delete(state.id);
    }
    if (upstream !== undefined && ids.size > 0) {
      this.#dirty.add(name, ids);
      this.#probing.add(name, ids);
    }
    if (!this.#dirty.isEmpty) this.#flush();
  }

  /** When it returns, the change is in force and has its generation. */
  setOverride(upstream: string, server: string, admin: Admin): void {
    const next = new Map(this.#overrides.of(upstream));
    if (admin.state === 'ready') next.delete(server);
    else next.set(server, admin);
    this.setOverrides(upstream, next);
  }

  /** All intents, also those for upstreams that the config does not have at present. */
  overrides(): Override[] {
    return this.#overrides.all();
  }

  verdicts(): RememberedVerdict[] {
    return this.upstreams.flatMap(({ verdicts }) => [...verdicts.values()]);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** It runs at once when the last flush was cheap or long ago, so that a single change never waits. */
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

  #create(config: UpstreamConfig): Upstream {
    const { name } = config;
    const remembered = this.#remembered.filter(({ upstream }) => upstream === name);
    return {
      config,
      members: new OrderedMap(),
      admitted: new Set(),
      panic: new PanicWatch(this.#options.log),
      registered: new OrderedMap(),
      areAddresses: true,
      overrides: this.#overrides.of(name),
      verdicts: new Map(remembered.map((verdict) => [verdict.server, verdict])),
    };
  }

  /** True when the data plane would see a difference. `before`: undefined when the upstream is new. */
  #reconfigure(upstream: Upstream, config: UpstreamConfig, before?: UpstreamConfig): boolean {
    upstream.config = config;
    register(upstream, this.#memberships);
    // Nobody would ever correct the verdict of a check that is gone from the config.
    if (config.check === null) upstream.verdicts.clear();
    // A server that serves is not taken out for want of a verdict that no check could give yet.
    for (const [id, { state }] of upstream.members) {
      if (standingOf(state) === 'ok' && state.checks !== 'up') upstream.admitted.add(id);
    }
    const changed = this.#recompute(upstream, 'all') === 'all';
    this.#tellChecker(upstream);
    return changed || !isDeepStrictEqual(settingsOf(config), before && settingsOf(before));
  }

  /** What the data plane must hear of. */
  #recompute(upstream: Upstream, servers: ServersChanged): ServersChanged {
    const { members } = upstream;
    if (servers === 'all') {
      const compute = () => computeMembers(this.#factsOf(upstream));
      upstream.members = compute();
      if (carryOver(upstream, members, upstream.members)) upstream.members = compute();
      if (upstream.panic.counts(upstream.config, upstream.members)) upstream.members = compute();
      for (const id of upstream.admitted) {
        if (!upstream.members.has(id)) upstream.admitted.delete(id);
      }
      this.#log(upstream, members, upstream.members);
      return isSameTable(members, upstream.members) ? new Set() : 'all';
    }
    const ids = isPlain(upstream)
      ? [...servers]
      : [...servers].flatMap((id) => namesakes(members, id).map(({ state }) => state.id));
    const last = someOf(members, ids);
    const next = computeChanged(this.#factsOf(upstream), ids);
    this.#log(upstream, last, next);
    const changed = settle(upstream, ids, { last, next });
    const isTurned = upstream.panic.moves(upstream.config, last, someOf(members, ids));
    return isTurned && this.#recompute(upstream, 'all') === 'all' ? 'all' : changed;
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

  #factsOf(upstream: Upstream): Facts {
    const { config, members, registered, overrides, verdicts, admitted, panic } = upstream;
    return {
      config,
      registered,
      overrides,
      addresses: this.#options.addresses,
      checks: (server) => verdicts.get(server)?.checks ?? 'unknown',
      mustPass: (server) => config.check?.defaultDown === true && !admitted.has(server),
      isPanic: panic.isOn,
      last: members,
      nowMs: Date.now(),
      generation: this.#generation,
    };
  }

  /** All are probed but those in an operator's maint: down=1 in the registry is still watched. */
  #tellChecker(upstream: Upstream, servers: ServersChanged = 'all'): void {
    const { config, members, verdicts } = upstream;
    if (servers !== 'all') {
      const others = [...servers].flatMap((id) =>
        isPlain(upstream) ? [] : namesakes(members, id),
      );
      for (const id of new Set([...servers, ...others.map(({ state }) => state.id)])) {
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
