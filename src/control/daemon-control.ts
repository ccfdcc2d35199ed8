// What people and releases may ask of the daemon: the face `Control` behind the admin API. Intent is
// checked, written to disk and put in force in one turn of the event loop, so that the guard's answer
// still holds when the change does.

import type {
  AdminRequest,
  Control,
  DrainDocument,
  Readiness,
  ReceiptDocument,
  StatusDocument,
} from '../admin.ts';
import { renderMetrics, shuttingDown } from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Scope } from '../base/scope.ts';
import type { RegistryConfig, UpstreamConfig } from '../config.ts';
import { type Admin, READY } from '../model.ts';
import type { RecordStore } from '../registry.ts';
import type { Override, Snapshot } from '../snapshot.ts';
import type { Fleet } from '../workers.ts';
import { checkGuard } from './guard.ts';
import type { KnownRegistry } from './known-registry.ts';
import { Receipts } from './receipts.ts';
import { memberEligibility } from './reported.ts';
import { scopeOf } from './scope.ts';
import { socketMetrics } from './socket-metrics.ts';
import { buildStatus, inFlight, openTunnelsOf } from './status.ts';
import type { KnownUpstream, Member, Table } from './table.ts';
import { writeWeight } from './weight.ts';

/** How long a page waits for the figures of a worker that does not answer, ms. */
const REFRESH_MS = 250;

export type ControlOptions = {
  readonly version: string;
  readonly table: Table;
  readonly fleet: Fleet;
  readonly snapshot: Snapshot;
  /** First that of the section `registry`. */
  readonly registries: readonly [KnownRegistry, ...KnownRegistry[]];
  readonly log: Log;
};

export class DaemonControl implements Control {
  readonly #options: ControlOptions;
  readonly #receipts: Receipts;
  readonly #scope: Scope;
  readonly #startedAtMs = Date.now();
  readonly #closing = new AbortController();

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#scope = scopeOf(options.registries.map(({ config }) => config.settings));
    this.#receipts = new Receipts(options.fleet, this.#scope);
  }

  async status(): Promise<StatusDocument> {
    await this.#refresh();
    const { version, table, fleet, registries } = this.#options;
    return buildStatus({
      version,
      startedAtMs: this.#startedAtMs,
      scope: this.#scope,
      table,
      fleet,
      registries,
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
    this.#find(upstream, server);
    // The guard also judges by ejections, and only the workers know of them.
    if (request.keepEligible !== undefined) await this.#refresh();
    this.#putInForce(upstream, server, request);
    return this.#drainDocument(upstream, server);
  }

  async awaitIdle(upstream: string, server: string, timeoutMs: number): Promise<DrainDocument> {
    const { member } = this.#find(upstream, server);
    if (member.admin.state === 'ready') {
      throw new SluiceError(
        'conflict',
        `server ${server}: ready, so requests keep coming; drain it first`,
      );
    }
    await this.#until(
      () => !this.#isOut(upstream, server) || this.#isIdle(upstream, server),
      timeoutMs,
    );
    const drain = await this.#drainDocument(upstream, server);
    if (this.#closing.signal.aborted && !drain.idle) throw shuttingDown();
    return drain;
  }

  async setWeight(upstream: string, server: string, weight: number): Promise<void> {
    const { known, member } = this.#find(upstream, server);
    const { config, store } = this.#storeOf(known.config, member);
    const configured = known.config.servers.find(({ id }) => id === server);
    const { prefix } = config;
    await writeWeight({ store, prefix, upstream, server, weight, configured });
    this.#options.log.info({ upstream, server, weight }, 'weight set');
  }

  async openReceipt(upstream: string): Promise<ReceiptDocument> {
    return this.#receipts.open(upstream, this.#findUpstream(upstream).members.keys());
  }

  async readReceipt(id: string): Promise<ReceiptDocument> {
    const upstream = this.#receipts.upstream(id);
    return this.#receipts.read(id, this.#findUpstream(upstream).members.keys());
  }

  async metrics(): Promise<string> {
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
    return renderMetrics({ status, workerCrashes: fleet.crashes, sockets, upstreams });
  }

  /** Those who wait get the state of this moment. From now on we are not ready. */
  close(): void {
    this.#closing.abort();
  }

  /** There is no await in here, so what was checked still holds when the change is in force. */
  #putInForce(upstream: string, server: string, request: AdminRequest): void {
    const { table, snapshot, fleet, log } = this.#options;
    const { known } = this.#find(upstream, server);
    const { state, owner, reason, ifOwner, keepEligible } = request;
    const current = known.overrides.get(server) ?? READY;
    checkOwner(server, current, ifOwner);
    if (state === current.state && (state === 'ready' || isSameWord(current, request))) return;
    if (state !== 'ready' && keepEligible !== undefined) {
      const figures = fleet.figures();
      checkGuard({
        upstream,
        server,
        keepEligible,
        members: known.members.values(),
        figures,
      });
    }
    const admin = state === 'ready' ? READY : { state, owner, reason, sinceMs: Date.now() };
    snapshot.saveOverrides(replaced(table.overrides(), { upstream, server, admin }));
    table.setOverride(upstream, server, admin);
    log.info(
      { upstream, server, admin: state, owner, reason, generation: table.generation },
      'admin state set',
    );
  }

  async #drainDocument(upstream: string, server: string): Promise<DrainDocument> {
    const { fleet } = this.#options;
    const isIdle = this.#isIdle(upstream, server);
    // The number in flight is only shown. Whether the server is idle was known before.
    if (!isIdle) await this.#refresh();
    const { member } = this.#find(upstream, server);
    const figures = fleet.figures();
    return {
      server,
      admin: member.admin,
      generation: member.adminGeneration,
      acknowledged: fleet.isAcknowledged(member.adminGeneration),
      inFlight: isIdle ? 0 : inFlight(upstream, server, figures),
      tunnels: isIdle ? 0 : openTunnelsOf(upstream, server, figures),
      idle: isIdle,
      eligibility: memberEligibility(upstream, member, figures),
      scope: this.#scope,
    };
  }

  #isOut(upstream: string, server: string): boolean {
    const member = this.#options.table.member(upstream, server);
    return member !== undefined && member.admin.state !== 'ready';
  }

  #isIdle(upstream: string, server: string): boolean {
    const { table, fleet } = this.#options;
    const member = table.member(upstream, server);
    return (
      member !== undefined &&
      member.admin.state !== 'ready' &&
      fleet.isAcknowledged(member.adminGeneration) &&
      fleet.busy(upstream, server) === 0
    );
  }

  /** Looks again after each report of a worker; no polling. */
  #until(isDone: () => boolean, timeoutMs: number): Promise<void> {
    const { signal } = this.#closing;
    if (isDone() || timeoutMs <= 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        unwatch();
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, timeoutMs);
      const unwatch = this.#options.fleet.watch(() => {
        if (isDone()) finish();
      });
      signal.addEventListener('abort', finish);
    });
  }

  #refresh(): Promise<void> {
    return this.#options.fleet.refresh({ deadlineMs: REFRESH_MS, strict: false });
  }

  /** The records of the registry that counts for a server; one of the file alone gets its record there. */
  #storeOf(
    { name, follows }: UpstreamConfig,
    { registry }: Member,
  ): { readonly config: RegistryConfig; readonly store: RecordStore } {
    const followed = follows.flatMap(
      (one) => this.#options.registries.find(({ config }) => config.name === one.registry) ?? [],
    );
    const [first] = followed;
    if (first === undefined) {
      throw new SluiceError(
        'conflict',
        `upstream "${name}": does not follow a registry; change the weight in the config file`,
      );
    }
    const found =
      registry === ''
        ? (followed.find(({ opened }) => opened.store !== undefined) ?? first)
        : (followed.find(({ config }) => config.name === registry) ?? first);
    const { config, opened } = found;
    if (opened.store !== undefined) return { config, store: opened.store };
    throw new SluiceError(
      'conflict',
      `upstream "${name}": its servers come from ${config.serversIn}, which is only read; change the weight there`,
    );
  }

  #findUpstream(name: string): KnownUpstream {
    const known = this.#options.table.upstream(name);
    if (known !== undefined) return known;
    const names = this.#options.table.upstreams.map(({ config }) => config.name).join(', ');
    throw new SluiceError('not_found', `upstream "${name}": unknown; known: ${names}`);
  }

  #find(
    upstream: string,
    server: string,
  ): { readonly known: KnownUpstream; readonly member: Member } {
    const known = this.#findUpstream(upstream);
    const member = known.members.get(server);
    if (member !== undefined) return { known, member };
    throw new SluiceError(
      'not_found',
      `server ${server}: not in upstream "${upstream}"; see "sluice status ${upstream}"`,
    );
  }
}

function checkOwner(server: string, current: Admin, ifOwner: string | undefined): void {
  if (ifOwner === undefined || current.state === 'ready' || current.owner === ifOwner) return;
  const reason = current.reason === '' ? '' : ` (${current.reason})`;
  throw new SluiceError(
    'conflict',
    `server ${server}: in ${current.state} by ${current.owner}${reason}; only its owner or a person should change that`,
    { details: { admin: current } },
  );
}

function isSameWord(current: Admin, request: AdminRequest): boolean {
  return current.owner === request.owner && current.reason === request.reason;
}

function replaced(overrides: readonly Override[], next: Override): Override[] {
  const others = overrides.filter(
    ({ upstream, server }) => upstream !== next.upstream || server !== next.server,
  );
  return next.admin.state === 'ready' ? others : [...others, next];
}
