// What this gateway does together with the others that share its registry: intent, drains and receipts
// over all of them. Without a registry that can be written there are no others, and everything holds for
// this gateway alone.

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type {
  EventDocument,
  GatewayDocument,
  LockRequest,
  ReceiptDocument,
  ReleaseRecords,
} from '../admin.ts';
import { isSluiceError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Gateways, type OtherCounts, type PendingIntent } from '../gateways.ts';
import type { Admin } from '../model.ts';
import type { RecordWrite } from '../registry.ts';
import type { Override, Snapshot } from '../snapshot.ts';
import type { Fleet } from '../workers.ts';
import {
  type KnownRegistry,
  meetingPlace,
  type ServerRecords,
  sharedBy,
} from './known-registry.ts';
import { isOutByRecord, localView } from './local-view.ts';
import { Others } from './others.ts';
import { Receipts } from './receipts.ts';
import { downWrites, findMemberRecord } from './server-record.ts';
import { away, type IntentChange, IntentWriter, type LockClaim } from './shared/intent-writer.ts';
import { LeftDown } from './shared/left-down.ts';
import { sumReceipts } from './shared/receipt-sum.ts';
import { NO_RELEASES, type ReleaseLook, SharedReleases } from './shared/releases.ts';
import { type Member, namesakes, type Table } from './table.ts';

export { NO_RELEASES, type ReleaseLook, SharedReleases } from './shared/releases.ts';

/** How long the registry may take to tell at the start what is out. */
const FIRST_DEADLINE_MS = 2000;
/** How long the registry may take to say what the others see. */
const LOOK_DEADLINE_MS = 1000;
/** How long other gateways may take to answer with their counts. */
const COUNTS_DEADLINE_MS = 5000;

export type SharedOptions = {
  readonly registries: readonly KnownRegistry[];
  readonly version: string;
  readonly table: Table;
  readonly fleet: Fleet;
  readonly snapshot: Snapshot;
  readonly log: Log;
  /** What this gateway changes by itself. */
  readonly audit: (event: EventDocument) => void;
};

export class SharedControl {
  readonly others: Others;
  /** Undefined: there is no registry that gateways could share. */
  readonly beside: Pick<Gateways, 'figures' | 'questions' | 'others'> | undefined;
  readonly #options: SharedOptions;
  readonly #name = `pid ${process.pid} on ${hostname()}`;
  readonly #id =
    `${hostname().replace(/[^\w.-]/g, '_')}-${process.pid}-${randomBytes(3).toString('hex')}`;
  readonly #startedAtMs = Date.now();
  readonly #receipts: Receipts;
  readonly #gateways: Gateways | undefined;
  readonly #writer: IntentWriter | undefined;
  /** By upstream: the newest intents in the table, with the generation that brought them. */
  readonly #applied = new Map<string, { readonly token: string; readonly generation: number }>();
  /** The same, as every worker has them. */
  readonly #acknowledged = new Map<string, string>();
  readonly #place: ServerRecords | undefined;
  readonly #releases: SharedReleases | undefined;
  readonly #leftDown: LeftDown;
  #control = '';
  #saving: NodeJS.Immediate | undefined;
  #unwatch: () => void = () => {};

  constructor(options: SharedOptions) {
    this.#options = options;
    const { registries, fleet, table, log } = options;
    const place = meetingPlace(registries);
    this.#place = place;
    this.#receipts = new Receipts(fleet, (id) => void this.#gateways?.receipts.close(id));
    if (place !== undefined) {
      this.#gateways = new Gateways({
        ...{ store: place.store, log, id: this.#id, ...place.config.gateways },
        describe: () => ({
          ...{ name: this.#name, version: options.version, control: this.#control },
          ...{ startedAtMs: this.#startedAtMs, replaces: options.snapshot.lastGateway },
          upstreams: table.upstreams.map(({ config }) => config.name),
        }),
        view: (name) => {
          const known = table.upstream(name);
          const none = { token: '', capacity: 0, out: new Map() };
          const indexOf = (registry: string): number | undefined =>
            table.isSettled() ? table.memberships.get(registry)?.index : undefined;
          return known === undefined ? none : localView(known, fleet, this.#token(name), indexOf);
        },
        applied: () => ({
          index: this.#index(),
          generation: Math.min(
            ...fleet.links.map(({ acknowledged }) => acknowledged),
            table.generation,
          ),
        }),
        receipts: {
          count: (id, upstream, isNew) =>
            this.#receipts.has(id)
              ? this.#receipts.read(id, [])
              : this.#receipts.open({ id, upstream, servers: [], fromStart: isNew }),
          forget: (id) => this.#receipts.close(id),
        },
        onIntents: (upstream, token, admins) => {
          table.setOverrides(upstream, admins);
          this.#applied.set(upstream, { token, generation: table.generation });
          this.#saveSoon();
        },
        beside: (upstream, server, admin) => this.#beside(upstream, server, admin),
        onPending: () => this.#saveSoon(),
      });
    }
    this.beside = this.#gateways;
    this.others = new Others({
      ...{ gateways: this.#gateways, name: this.#name },
      sharedRegistry: sharedBy(place === undefined ? registries : [place]),
    });
    this.#leftDown = new LeftDown({
      upstreams: () => table.upstreams,
      intents: () => (this.#gateways?.isReachable === true ? this.#gateways.intents : undefined),
      log,
    });
    if (this.#gateways !== undefined) {
      this.#writer = new IntentWriter({
        gateways: this.#gateways,
        others: this.others,
        save: (intent) => this.#save(intent),
        beside: (upstream, server, admin) => this.#beside(upstream, server, admin),
      });
      this.#releases = place === undefined ? undefined : this.#openReleases(place);
      const gateways = this.#gateways;
      this.#unwatch = fleet.watch(() => gateways.note());
    }
  }

  readonly receipts = {
    /** @throws timeout */
    open: async (upstream: string): Promise<ReceiptDocument> => {
      const own = await this.#receipts.open({ upstream, servers: this.#serversOf(upstream) });
      this.#gateways?.receipts.open(own.id);
      return this.#sum(own.id, upstream);
    },
    /** @throws not_found */
    upstreamOf: (id: string): string =>
      this.#gateways?.receipts.find(id)?.upstream ?? this.#receipts.upstream(id),
    /** @throws not_found, timeout */
    read: async (id: string): Promise<ReceiptDocument> =>
      this.#sum(id, this.receipts.upstreamOf(id)),
    own: (): Receipts => this.#receipts,
  };

  get releases(): ReleaseRecords & ReleaseLook {
    return this.#releases ?? NO_RELEASES;
  }

  /** Of a runner; undefined where there is no registry that has its lock. */
  lockClaim(lock: LockRequest | undefined): LockClaim | undefined {
    const releases = this.#releases;
    if (lock === undefined || releases === undefined) return undefined;
    return { claim: () => releases.claim(lock), check: () => releases.checkKnown(lock) };
  }

  /** Intents of the last run, until the registry says otherwise; resolves when it has, or is late. */
  async start(): Promise<void> {
    const gateways = this.#gateways;
    if (gateways === undefined) return;
    const remembered = new Map<string, Map<string, Admin>>();
    const { overrides } = this.#options.snapshot;
    this.#options.snapshot.saveGateway(this.#id);
    for (const { upstream, server, admin, base } of overrides) {
      // One that is given back is out until the word is in force: under it lies what took the server out.
      if (base !== undefined && admin.state !== 'ready') continue;
      const admins = remembered.get(upstream) ?? new Map<string, Admin>();
      remembered.set(upstream, admins.set(server, base ?? admin));
    }
    for (const [upstream, admins] of remembered) gateways.remember(upstream, admins);
    for (const { upstream, server, admin, base } of overrides) {
      if (base !== undefined) gateways.keep({ upstream, server, admin, base });
    }
    await gateways.first(FIRST_DEADLINE_MS);
  }

  /**
   * Other gateways see this one, and what is out by then is out here, when it resolves, or the registry is
   * late. `control`: where its control API listens.
   */
  async join(control: string): Promise<void> {
    this.#control = control;
    await this.#gateways?.join(FIRST_DEADLINE_MS);
  }

  /** What others see is known when it resolves, or is late. */
  async look(): Promise<void> {
    await this.#gateways?.look(LOOK_DEADLINE_MS);
  }

  /** The table has changed. */
  note(): void {
    this.#gateways?.note();
    this.#leftDown.note();
  }

  /** Other upstreams than before may be served. */
  reconfigured(): void {
    this.#gateways?.describeAgain();
  }

  /** False: there is no registry to share it; then it is this gateway's own matter. */
  async change(change: IntentChange): Promise<boolean> {
    if (this.#writer === undefined) return false;
    await this.#writer.change(change);
    return true;
  }

  /**
   * Where its record took the server out: the index of the record, which another gateway has to have seen.
   * 0: it is not so. Infinity: the registry could not be asked.
   */
  async recordIndex(upstream: string, server: string): Promise<number> {
    const members = this.#options.table.upstream(upstream)?.members ?? new Map<string, Member>();
    const [member] = namesakes(members, server);
    if (member === undefined || !isOutByRecord(member)) return 0;
    const records = this.#recordsOf(member.registry);
    if (records === undefined || this.others.scope.heard.length === 0) return 0;
    const { store, config } = records;
    try {
      const record = await findMemberRecord(
        { store, prefix: config.prefix, upstream },
        member.state,
      );
      return record?.modifyIndex ?? 0;
    } catch {
      // That it is away is said by whoever follows it.
      return Number.POSITIVE_INFINITY;
    }
  }

  /** Ready was said, and is not in force here yet. */
  readonly isGivenBack = (upstream: string, server: string): boolean =>
    this.#gateways?.intents.isHeld(upstream, server) === true;

  document(): GatewayDocument {
    const { table, version } = this.#options;
    return {
      ...{ id: this.#id, name: this.#name, state: 'live', sinceMs: this.#startedAtMs, version },
      ...{ control: this.#control, generation: table.generation },
      ...{ index: this.#index(), current: true, lagMs: 0 },
    };
  }

  readonly watch = (onChange: () => void): (() => void) =>
    this.#gateways?.watch(onChange) ?? (() => {});

  /** Leaves the others; never throws. `isFollowed`: another primary goes on with our workers. */
  async close(isFollowed: boolean): Promise<void> {
    this.#unwatch();
    this.#leftDown.close();
    this.#releases?.stop();
    await this.#gateways?.close(isFollowed);
    clearImmediate(this.#saving);
    if (this.#saving !== undefined) this.#saveNow();
  }

  #openReleases({ store, config }: ServerRecords): SharedReleases {
    const { table, log, audit } = this.#options;
    return new SharedReleases({
      ...{ store, log, prefix: config.gateways.prefix },
      drainedBy: (owner) =>
        table.overrides().filter(({ admin }) => admin.state === 'drain' && admin.owner === owner),
      giveBack: async ({ upstream, server, owner, claim }) => {
        const request = { state: 'ready', owner, reason: '', ifOwner: owner } as const;
        // Not while the registry is away: the lock could not be looked at.
        const lock = { claim, check: away };
        await this.change({ upstream, server, request, guard: () => {}, lock });
      },
      onGivenBack: ({ upstream, server, owner, reason: message }) => {
        log.warn({ upstream, server, owner }, 'server given back, its release has no runner');
        const { weight = 0 } = table.member(upstream, server)?.state ?? {};
        const before = { state: 'drain', owner, reason: '', weight };
        const after = { state: 'ready', owner: '', reason: '', weight };
        audit({
          ...{ time: new Date().toISOString(), token: '', owner, from: this.#name },
          ...{ action: 'giveBack', upstream, server, asked: {}, before, after },
          ...{ result: 'ok', message },
        });
      },
    });
  }

  #serversOf(upstream: string): Iterable<string> {
    return this.#options.table.upstream(upstream)?.members.keys() ?? [];
  }

  /** Others first: what they answer later than we read ourselves would be counted by nobody. */
  async #sum(id: string, upstream: string): Promise<ReceiptDocument> {
    await this.look();
    const gateways = this.#gateways;
    let others: readonly OtherCounts[] = [];
    let unheard = this.others.scope.unheard;
    try {
      others = (await gateways?.receipts.ask(id, upstream, COUNTS_DEADLINE_MS)) ?? [];
      // Each of them has its own line.
      if (gateways?.isReachable === true) unheard = [];
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      unheard = this.others.unheardBecause(messageOf(error));
    }
    const servers = this.#serversOf(upstream);
    const own = this.#receipts.has(id)
      ? await this.#receipts.read(id, servers)
      : await this.#receipts.open({ id, upstream, servers });
    return sumReceipts(own, this.#name, others, unheard);
  }

  #token(upstream: string): string {
    const applied = this.#applied.get(upstream);
    if (applied !== undefined && this.#options.fleet.isAcknowledged(applied.generation)) {
      this.#acknowledged.set(upstream, applied.token);
    }
    return this.#acknowledged.get(upstream) ?? '';
  }

  /**
   * What the server's record says with this intent. In another registry than the gateways meet in, it is
   * written before: a record that is down too early keeps the server out, and one that is up too early
   * is overruled by the intent.
   */
  async #beside(upstream: string, server: string, admin: Admin): Promise<readonly RecordWrite[]> {
    const { table } = this.#options;
    const config = table.upstream(upstream)?.config;
    const records = this.#recordsOf(table.member(upstream, server)?.registry ?? '');
    if (config === undefined || records === undefined) return [];
    const writesDown =
      config.writeDown === 'auto' ? this.#isShared(records) : config.writeDown === 'on';
    // What was written once is taken back, whatever the setting says by then.
    if (admin.state !== 'ready' && !writesDown) return [];
    const { store } = records;
    const { prefix } = records.config;
    const writes = await downWrites({ store, prefix, upstream, server }, admin);
    if (store === this.#place?.store) return writes;
    if (writes.length > 0) await store.commit(writes);
    return [];
  }

  /** Other machines may follow it, or other gateways do: whichever of them is asked writes the same. */
  #isShared(records: ServerRecords): boolean {
    const isMet = records.store === this.#place?.store && this.#gateways?.others.length !== 0;
    return isMet || sharedBy([records]) !== '';
  }

  /** The records of a registry; undefined where it has none, or there is no such registry. */
  #recordsOf(registry: string): ServerRecords | undefined {
    const found = this.#options.registries.find(({ config }) => config.name === registry);
    const store = found?.opened.store;
    return found === undefined || store === undefined ? undefined : { config: found.config, store };
  }

  /** Of the registry that the gateways meet in, as it is in the table. */
  #index(): number {
    const name = this.#place?.config.name ?? '';
    return this.#options.table.memberships.get(name)?.index ?? 0;
  }

  #saveSoon(): void {
    this.#saving ??= setImmediate(() => this.#saveNow());
  }

  /** The registry has it; this copy is for a start without the registry. */
  #saveNow(): void {
    this.#saving = undefined;
    try {
      this.#save();
    } catch (error) {
      this.#options.log.error({ error: messageOf(error) }, 'copy of the intents not written');
    }
  }

  /** @throws storage_full, storage_failed */
  #save(next?: PendingIntent): void {
    const { table, snapshot } = this.#options;
    const known = this.#gateways?.intents.pending ?? [];
    const pending = next === undefined ? known : [...known, next];
    const keyOf = ({ upstream, server }: Omit<Override, 'admin'>) => `${upstream} ${server}`;
    const overrides = new Map<string, Override>();
    for (const override of table.overrides()) overrides.set(keyOf(override), override);
    for (const intent of pending) overrides.set(keyOf(intent), intent);
    snapshot.saveOverrides([...overrides.values()]);
  }
}
