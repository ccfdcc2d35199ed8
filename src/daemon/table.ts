// The control plane's table: it keeps the facts about every server, recomputes an upstream when one
// of its facts changed, and numbers each change that the data plane must see (the generation). A
// burst of changes is put together: after a recomputation that took long, the next one waits.

import type { Log } from '../base/log.ts';
import type { UpstreamConfig } from '../config.ts';
import type { CheckedServer, Verdict } from '../health.ts';
import type { Membership } from '../registry.ts';
import type { Override, RememberedVerdict } from '../snapshot.ts';
import type { Admin, TableUpdate } from '../upstream.ts';
import { describeChanges } from './member-changes.ts';
import { computeMembers, isSameTable, type Member, upstreamState } from './members.ts';

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
  readonly onChange: (names: ReadonlySet<string>) => void;
  /** Who is to be probed in an upstream may have changed. */
  readonly onMembers: (upstream: UpstreamConfig, servers: readonly CheckedServer[]) => void;
};

export type KnownUpstream = {
  readonly config: UpstreamConfig;
  members: ReadonlyMap<string, Member>;
  readonly overrides: Map<string, Admin>;
  readonly verdicts: Map<string, RememberedVerdict>;
};

export class Table {
  readonly #options: TableOptions;
  readonly #upstreams: ReadonlyMap<string, KnownUpstream>;
  /** To recompute; true: who is to be probed may have changed too. */
  readonly #dirty = new Map<string, boolean>();
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
      this.#recompute(upstream);
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

  /** For a worker: the named upstreams, or all. */
  update(names?: ReadonlySet<string>): TableUpdate {
    const upstreams = this.upstreams
      .filter(({ config }) => names === undefined || names.has(config.name))
      .map(({ config, members }) => upstreamState(config, members));
    return { generation: this.#generation, upstreams, removed: [] };
  }

  setMembership(membership: Membership): void {
    const last = this.#membership;
    this.#membership = membership;
    for (const { config } of this.#upstreams.values()) {
      const isSame =
        last !== undefined &&
        last.services.get(config.name) === membership.services.get(config.name) &&
        last.held.includes(config.name) === membership.held.includes(config.name);
      if (!isSame) this.#dirty.set(config.name, true);
    }
    this.#schedule();
  }

  /** These host names have other addresses. */
  setAddresses(names: ReadonlySet<string>): void {
    for (const { config, members } of this.#upstreams.values()) {
      if ([...members.values()].some(({ state }) => names.has(state.host))) {
        this.#dirty.set(config.name, true);
      }
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
    this.#dirty.set(verdict.upstream, this.#dirty.get(verdict.upstream) === true);
    this.#schedule();
  }

  /** In force, with its generation, when it returns. */
  setOverride(upstream: string, server: string, admin: Admin): void {
    const known = this.#upstreams.get(upstream);
    if (known === undefined) return;
    if (admin.state === 'ready') known.overrides.delete(server);
    else known.overrides.set(server, admin);
    this.#dirty.set(upstream, true);
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
    if (this.#timer !== undefined || this.#dirty.size === 0) return;
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
    const changed = new Set<string>();
    for (const [name, isProbingDirty] of this.#dirty) {
      const upstream = this.#upstreams.get(name);
      if (upstream === undefined) continue;
      if (this.#recompute(upstream)) changed.add(name);
      if (isProbingDirty) this.#tellChecker(upstream);
    }
    this.#dirty.clear();
    if (changed.size > 0) this.#options.onChange(changed);
    else this.#generation -= 1;
    const endMs = performance.now();
    this.#restUntilMs = endMs + Math.min(REST_MAX_MS, REST_FACTOR * (endMs - startMs));
  }

  #recompute(upstream: KnownUpstream): boolean {
    const { config, overrides, verdicts } = upstream;
    const last = upstream.members;
    upstream.members = computeMembers({
      config,
      instances: config.followRegistry ? (this.#membership?.services.get(config.name) ?? []) : [],
      isHeld: this.#membership?.held.includes(config.name) === true,
      overrides,
      addresses: this.#options.addresses,
      // In maint nothing is known of a server: it will probably be another process afterwards.
      checks: (server) =>
        overrides.get(server)?.state === 'maint'
          ? 'unknown'
          : (verdicts.get(server)?.checks ?? 'unknown'),
      last,
      nowMs: Date.now(),
      generation: this.#generation,
    });
    const { log } = this.#options;
    for (const { fields, message } of describeChanges(last, upstream.members)) {
      log.info({ upstream: config.name, ...fields }, message);
    }
    return !isSameTable(last, upstream.members);
  }

  /** All are probed but those in an operator's maint: down=1 in the registry is still watched. */
  #tellChecker({ config, members, overrides, verdicts }: KnownUpstream): void {
    const probed: CheckedServer[] = [];
    const listed = new Set<string>();
    for (const { state } of members.values()) {
      if (overrides.get(state.id)?.state === 'maint') continue;
      const { id, host, port, addresses } = state;
      const initial = verdicts.get(id);
      listed.add(id);
      // Without an address there is nothing to probe, and no reason to forget the verdict.
      if (addresses.length === 0) continue;
      const server = { id, host, port, addresses };
      probed.push(initial === undefined ? server : { ...server, initial });
    }
    for (const server of verdicts.keys()) if (!listed.has(server)) verdicts.delete(server);
    this.#options.onMembers(config, probed);
  }
}
