// What people and releases may ask of the daemon: the face `Control` behind the admin API. Intent is
// checked, written to disk and put in force in one turn of the event loop, so that the guard's answer
// still holds when the change does.

import type {
  AdminRequest,
  Control,
  DeregisterRequest,
  DrainDocument,
  FactsDocument,
  Readiness,
  ReceiptDocument,
  RegisterRequest,
  ReleaseRecords,
  StatusDocument,
} from '../admin.ts';
import { type MetricsFormat, renderMetrics, shuttingDown, type ToldRequest } from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { parseAddress } from '../base/units.ts';
import { isRecordOwner, READY } from '../model.ts';
import type { Snapshot } from '../snapshot.ts';
import type { Fleet } from '../workers.ts';
import { askGuard } from './ask-guard.ts';
import { findMember, findUpstream } from './find-member.ts';
import { checkOwner, isSaid, replaced } from './intent-rules.ts';
import { type KnownRegistry, recordsFor } from './known-registry.ts';
import { isIdle } from './local-view.ts';
import { checkRemovable, removeRegistration, writeRegistration } from './registration.ts';
import { memberEligibility } from './reported.ts';
import type { SharedControl } from './shared.ts';
import { socketMetrics } from './socket-metrics.ts';
import { buildStatus, inFlight, openLasting, type SupervisedFacts } from './status.ts';
import { type KnownUpstream, type Member, namesakes, type Table, writtenId } from './table.ts';
import { writeWeight } from './weight.ts';

/** How long a page waits for the figures of a worker that does not answer, ms. */
const REFRESH_MS = 250;
/** Workers and other gateways may take so long to let a server back in, ms; the answer says if they did. */
const BACK_DEADLINE_MS = 2000;
/** What was written into the registry may take so long until it is in the table, ms. */
const REGISTERED_DEADLINE_MS = 2000;

export type ControlOptions = {
  readonly version: string;
  readonly table: Table;
  readonly fleet: Fleet;
  readonly snapshot: Snapshot;
  /** First that of the section `registry`. */
  readonly registries: readonly [KnownRegistry, ...KnownRegistry[]];
  readonly log: Log;
  /** What is done together with the other gateways of the registry. */
  readonly shared: SharedControl;
  readonly upgradeTrouble?: string;
  readonly configFacts?: () => StatusDocument['configuration'];
  readonly certificates?: () => StatusDocument['certificates'];
  /** Instances that this machine looks after. */
  readonly supervised?: (upstream: string, server: string) => SupervisedFacts | undefined;
};

export class DaemonControl implements Control {
  readonly #options: ControlOptions;
  readonly #startedAtMs = Date.now();
  readonly #closing = new AbortController();

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  get releases(): ReleaseRecords {
    return this.#options.shared.releases;
  }

  async status(): Promise<StatusDocument> {
    await Promise.all([this.#refresh(), this.#options.shared.look()]);
    return this.known();
  }

  /** The same as it was reported last. */
  known(): StatusDocument {
    const { version, table, fleet, registries, shared } = this.#options;
    return buildStatus({
      ...{ version, table, fleet, registries, startedAtMs: this.#startedAtMs },
      ...{ others: shared.others, self: shared.document() },
      supervised: this.#options.supervised,
      configuration: this.#options.configFacts?.(),
      upgradeTrouble: this.#options.upgradeTrouble ?? '',
      certificates: this.#options.certificates?.(),
      isGivenBack: shared.isGivenBack,
    });
  }

  readiness(): Readiness {
    if (this.#closing.signal.aborted) return { reason: 'shutting down', isClosing: true };
    const { fleet, table, registries } = this.#options;
    let reason = fleet.unready();
    for (const { config, opened } of registries) {
      if (reason !== '') break;
      if (opened.source === undefined || table.memberships.has(config.name)) continue;
      const empty = table.upstreams.find(
        ({ config: { follows }, members }) =>
          members.size === 0 && follows.some(({ registry }) => registry === config.name),
      );
      if (empty === undefined) continue;
      const { address, trouble } = opened.source.health();
      const why = trouble === '' ? '' : ` (${trouble})`;
      reason = `registry ${address} has not answered yet, and nothing is known of upstream "${empty.config.name}"${why}`;
    }
    return { reason, isClosing: false };
  }

  async setAdmin(upstream: string, server: string, request: AdminRequest): Promise<DrainDocument> {
    const { member } = this.#find(upstream, server);
    // The guard also judges by ejections, and only the workers know of them.
    if (request.keepEligible !== undefined) await this.#refresh();
    const { shared } = this.#options;
    await shared.look();
    const guard = (): void => askGuard(this.#options, { ...request, upstream, server });
    const lock = shared.lockClaim(request.lock);
    const isLocked = lock === undefined ? {} : { lock };
    const isShared = await shared.change({ upstream, server, request, guard, ...isLocked });
    if (!isShared) this.#putInForce(upstream, server, request);
    // A server is back when everybody may use it.
    if (request.state === 'ready') {
      await this.#until(() => this.#isAcknowledged(upstream, server), BACK_DEADLINE_MS);
    }
    const { id } = member.state;
    return this.#drainDocument(upstream, id, await shared.recordIndex(upstream, id));
  }

  async awaitIdle(upstream: string, server: string, timeoutMs: number): Promise<DrainDocument> {
    const { member } = this.#find(upstream, server);
    if (member.admin.state === 'ready') {
      throw new SluiceError(
        'conflict',
        `server ${server}: ready, so requests keep coming; drain it first`,
      );
    }
    const { shared } = this.#options;
    await shared.look();
    const recordIndex = await shared.recordIndex(upstream, server);
    await this.#until(
      () => !this.#isOut(upstream, server) || this.#isIdle(upstream, server, recordIndex),
      timeoutMs,
    );
    const drain = await this.#drainDocument(upstream, server, recordIndex);
    if (this.#closing.signal.aborted && !drain.idle) throw shuttingDown();
    return drain;
  }

  async setWeight(upstream: string, server: string, weight: number): Promise<void> {
    const { known, member } = this.#find(upstream, server);
    const { config, store } = recordsFor(this.#options.registries, known.config, member.registry);
    // The weight of a name is that of each of its addresses.
    const written = writtenId(member.state);
    const configured = known.config.servers.find(({ id }) => id === written);
    const { prefix } = config;
    await writeWeight({ store, prefix, upstream, server: written, weight, configured });
    this.#options.log.info({ upstream, server, weight }, 'weight set');
  }

  /** Resolves when it is in the table, or a while later. */
  async register(upstream: string, server: string, request: RegisterRequest): Promise<void> {
    const known = this.#findUpstream(upstream);
    if (parseAddress(server) === undefined) {
      throw new SluiceError('usage', `server "${server}": is not host:port`);
    }
    const { down, weight } = request;
    await writeRegistration({ ...this.#recordOf(known, server), down, weight });
    const { table } = this.#options;
    await this.#until(() => {
      const owner = table.member(upstream, server)?.admin.owner;
      return owner !== undefined && down === isRecordOwner(owner);
    }, REGISTERED_DEADLINE_MS);
    this.#options.log.info({ upstream, server, down, owner: request.owner }, 'server registered');
  }

  async deregister(upstream: string, server: string, { owner }: DeregisterRequest): Promise<void> {
    const known = this.#findUpstream(upstream);
    const { table, shared, log } = this.#options;
    const member = table.member(upstream, server);
    checkRemovable(server, member?.admin);
    await removeRegistration(this.#recordOf(known, server));
    const isGone = (): boolean => table.member(upstream, server) === undefined;
    await this.#until(isGone, REGISTERED_DEADLINE_MS);
    // One of the config file stays, and stays out.
    if (isGone() && known.overrides.get(server)?.owner === owner) {
      const request = { state: 'ready', owner, reason: '', ifOwner: owner } as const;
      await shared.change({ upstream, server, request, guard: () => {} });
    }
    log.info({ upstream, server, owner }, 'server deregistered');
  }

  #recordOf({ config: upstream, overrides }: KnownUpstream, server: string) {
    const { registries, table } = this.#options;
    const registry = table.member(upstream.name, server)?.registry ?? '';
    const { config, store } = recordsFor(registries, upstream, registry);
    return {
      ...{ store, prefix: config.prefix, upstream: upstream.name, server },
      configured: upstream.servers.find(({ id }) => id === server),
      isTakenOut: (overrides.get(server) ?? READY).state !== 'ready',
    };
  }

  /** For the audit log. */
  facts(upstream: string, server: string): FactsDocument | undefined {
    const member = this.#options.table.member(upstream, server);
    if (member === undefined) return undefined;
    const { state, owner, reason } = member.admin;
    return { state, owner, reason, weight: member.state.weight };
  }

  async openReceipt(upstream: string): Promise<ReceiptDocument> {
    return this.#options.shared.receipts.open(this.#findUpstream(upstream).config.name);
  }

  async readReceipt(id: string): Promise<ReceiptDocument> {
    const { receipts } = this.#options.shared;
    // Of an upstream that the configuration does not have at present nothing is counted.
    this.#findUpstream(receipts.upstreamOf(id));
    return receipts.read(id);
  }

  async metrics(format: MetricsFormat = 'text', told: readonly ToldRequest[] = []) {
    const status = await this.status();
    const { fleet } = this.#options;
    const upstreams = status.upstreams.map(({ name, servers }) => {
      const totals = fleet.totals(name);
      return {
        name,
        counters: totals.counters,
        // Servers that are gone have no series, or the number of series would only grow.
        servers: servers.flatMap(({ id }) => {
          const counters = totals.servers.get(id);
          return counters === undefined ? [] : [{ id, counters }];
        }),
      };
    });
    const sockets = socketMetrics(fleet);
    const source = { status, workerCrashes: fleet.crashes, sockets, upstreams, told };
    return renderMetrics(source, format);
  }

  /** Those who wait get the state of this moment. From now on we are not ready. */
  close(): void {
    this.#closing.abort();
  }

  /** There is no await in here, so what was checked still holds when the change is in force. */
  #putInForce(upstream: string, server: string, request: AdminRequest): void {
    const { table, snapshot, log } = this.#options;
    const { known } = this.#find(upstream, server);
    const { state, owner, reason, ifOwner } = request;
    const current = known.overrides.get(server) ?? READY;
    checkOwner(server, current, ifOwner);
    if (isSaid(current, request)) return;
    if (state !== 'ready') askGuard(this.#options, { ...request, upstream, server });
    const admin = state === 'ready' ? READY : { state, owner, reason, sinceMs: Date.now() };
    snapshot.saveOverrides(replaced(table.overrides(), { upstream, server, admin }));
    table.setOverride(upstream, server, admin);
    log.info(
      { upstream, server, admin: state, owner, reason, generation: table.generation },
      'admin state set',
    );
  }

  async #drainDocument(
    upstream: string,
    server: string,
    recordIndex: number,
  ): Promise<DrainDocument> {
    const { fleet, shared } = this.#options;
    const isIdleHere = this.#isIdleHere(upstream, server);
    const givenBack = shared.isGivenBack(upstream, server);
    // What is left in flight is only shown; whether it is idle was known before.
    if (!isIdleHere) await this.#refresh();
    const { member } = this.#find(upstream, server);
    const figures = fleet.figures();
    const elsewhere = shared.others.drain(upstream, server, member.admin, recordIndex);
    const lasting = openLasting(upstream, server, figures);
    return {
      server,
      admin: member.admin,
      generation: member.adminGeneration,
      acknowledged: fleet.isAcknowledged(member.adminGeneration) && elsewhere.acknowledged,
      inFlight: (isIdleHere ? 0 : inFlight(upstream, server, figures)) + elsewhere.inFlight,
      tunnels: (isIdleHere ? 0 : lasting.tunnels) + elsewhere.tunnels,
      streams: (isIdleHere ? 0 : lasting.streams) + elsewhere.streams,
      // Given back, it takes requests without another word: nobody may stop it then.
      idle: isIdleHere && elsewhere.idle && !givenBack,
      givenBack,
      eligibility: memberEligibility(upstream, member, figures),
      scope: elsewhere.scope,
    };
  }

  /** The server of this id, or all whose other id it is. */
  #members(upstream: string, server: string): readonly Member[] {
    const known = this.#options.table.upstream(upstream);
    return known === undefined ? [] : namesakes(known.members, server);
  }

  #isOut(upstream: string, server: string): boolean {
    const members = this.#members(upstream, server);
    const isTakenOut = members.length > 0 && members.every(({ admin }) => admin.state !== 'ready');
    return isTakenOut && !this.#options.shared.isGivenBack(upstream, server);
  }

  #isIdleHere(upstream: string, server: string): boolean {
    const members = this.#members(upstream, server);
    return (
      members.length > 0 && members.every((member) => isIdle(upstream, member, this.#options.fleet))
    );
  }

  #isIdle(upstream: string, server: string, recordIndex: number): boolean {
    const [member] = this.#members(upstream, server);
    if (member === undefined || !this.#isIdleHere(upstream, server)) return false;
    return this.#options.shared.others.drain(upstream, server, member.admin, recordIndex).idle;
  }

  #isAcknowledged(upstream: string, server: string): boolean {
    const { fleet, shared } = this.#options;
    const members = this.#members(upstream, server);
    return (
      members.length > 0 &&
      members.every(
        ({ admin, adminGeneration }) =>
          fleet.isAcknowledged(adminGeneration) &&
          shared.others.drain(upstream, server, admin, 0).acknowledged,
      )
    );
  }

  /** Looks again after each report of a worker or of another gateway; no polling. */
  #until(isDone: () => boolean, timeoutMs: number): Promise<void> {
    const { signal } = this.#closing;
    if (isDone() || timeoutMs <= 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        for (const unwatch of unwatches) unwatch();
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, timeoutMs);
      const look = (): void => {
        if (isDone()) finish();
      };
      const { fleet, shared } = this.#options;
      const unwatches = [fleet.watch(look), shared.watch(look)];
      signal.addEventListener('abort', finish);
    });
  }

  #refresh(): Promise<void> {
    return this.#options.fleet.refresh({ deadlineMs: REFRESH_MS, strict: false });
  }

  #findUpstream(name: string): KnownUpstream {
    return findUpstream(this.#options.table, name);
  }

  #find(upstream: string, server: string): ReturnType<typeof findMember> {
    return findMember(this.#options.table, upstream, server);
  }
}
