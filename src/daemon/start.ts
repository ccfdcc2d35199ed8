// The composition root: opens everything in order and closes it in the opposite one. Nothing accepts
// a client before all addresses are bound and the workers have their first table; when any step
// fails, what was opened before is closed and the error says why.

import { renderPage, serveAdmin } from '../admin.ts';
import { processDescriptors } from '../base/descriptors.ts';
import type { Log } from '../base/log.ts';
import type { Address } from '../base/units.ts';
import { packageVersion } from '../base/version.ts';
import type { Config, ListenAddress } from '../config.ts';
import { DaemonControl, type Lookup, Names, OutageWatch, systemLookup, Table } from '../control.ts';
import { descriptorsFor, socketRoom } from '../gateway.ts';
import { Checker } from '../health.ts';
import { kindOf, type Membership, type MembershipSource } from '../registry.ts';
import { lockStateDir, openSnapshot, type Snapshot } from '../snapshot.ts';
import { bindListeners, Fleet, type TableChanges } from '../workers.ts';
import { followRegistry, noAnswer, STRONG_DEADLINE_MS } from './first-answer.ts';
import { Teardown } from './teardown.ts';

/** The start waits so long for the addresses of servers given by name, ms. */
const NAMES_DEADLINE_MS = 2000;
/** Names in the registry without an upstream that are reported; each once. */
const STRANGERS_MAX = 20;

export type Daemon = {
  /** As bound: a port 0 of the config is the real one here. */
  readonly addresses: {
    readonly gateway: readonly ListenAddress[];
    readonly admin: Address;
    /** Of the embedded registry. */
    readonly registry: Address | undefined;
  };
  /** Finishes what is in flight within `shutdown_timeout`, then closes everything. */
  close(): Promise<void>;
  /** What is logged from now on goes into new files, where the old ones were renamed. */
  reopenLogs(): void;
  /** Ends the workers at once; for a second signal, before the process exits. */
  kill(): void;
};

export type DaemonOptions = {
  readonly log: Log;
  /** With strong_dependency: how long the registry may take to answer first, ms. */
  readonly registryDeadlineMs?: number;
  /** Addresses of a server given by name; a test brings its own. */
  readonly lookup?: Lookup;
};

/**
 * @throws locked, data_dir_unusable, address_in_use, address_unavailable, registry_unreachable;
 *   nothing is left open then.
 */
export async function startDaemon(config: Config, options: DaemonOptions): Promise<Daemon> {
  const teardown = new Teardown(options.log);
  try {
    return await start(config, options, teardown);
  } catch (error) {
    await teardown.close();
    throw error;
  }
}

async function start(
  config: Config,
  { log, registryDeadlineMs = STRONG_DEADLINE_MS, lookup = systemLookup }: DaemonOptions,
  teardown: Teardown,
): Promise<Daemon> {
  const lock = lockStateDir(config.stateDir);
  teardown.add(() => lock.release());
  const snapshot = openSnapshot({ stateDir: config.stateDir, log });
  teardown.add(() => snapshot.close());
  const { settings, prefix } = config.registry;
  const registry = await kindOf(settings).open(settings, {
    log: log.child({ component: 'registry' }),
    prefix,
  });
  teardown.add(() => registry.close());
  const names = new Names({ lookup, log, remembered: snapshot.memory.names });
  teardown.add(() => names.close());
  const table = await openTable(config, {
    log,
    teardown,
    names,
    snapshot,
    source: registry.source,
    strongDeadlineMs: registryDeadlineMs,
  });

  await names.settled(NAMES_DEADLINE_MS);

  // Until the last worker is gone it says that we are shutting down.
  let closeAdmin = async (): Promise<void> => {};
  teardown.add(() => closeAdmin());
  warnOfClients(config.gateway.limits.connectionsMax, processDescriptors.max(), log);
  const listeners = await bindListeners(config.gateway.listen);
  teardown.add(() => listeners.close());
  const fleet = new Fleet({
    workers: config.workers,
    start: {
      gateway: { ...config.gateway, listen: listeners.addresses },
      routes: config.routes,
      logLevel: config.logLevel,
      shutdownTimeoutMs: config.shutdownTimeoutMs,
    },
    handles: listeners.handles,
    log,
    table: (changes) => table.table.update(changes),
    onFigures: () => lookForOutages(),
    readPage: async (name, query) => renderPage(name, query, await control.status()),
  });
  const control = new DaemonControl({
    version: packageVersion(),
    table: table.table,
    fleet,
    snapshot,
    registryConfig: config.registry,
    registry,
    log,
  });
  const outages = new OutageWatch({
    upstreams: () => table.table.upstreams,
    figures: () => fleet.figures(),
    refused: (upstream) => fleet.refused(upstream),
    log,
  });
  let isStarted = false;
  const lookForOutages = (): void => {
    if (isStarted) outages.look(performance.now());
  };
  teardown.add(async () => {
    control.close();
    // Before the workers: nobody new gets into a queue that nobody serves.
    listeners.close();
    const deadlineMs = isStarted ? config.shutdownTimeoutMs : 0;
    isStarted = false;
    await fleet.close(deadlineMs);
  });
  table.onChange((changes) => {
    fleet.update(changes);
    lookForOutages();
  });

  const admin = await serveAdmin({
    control,
    readiness: () => control.readiness(),
    ...config.admin.listen,
    token: config.admin.token,
    log: log.child({ component: 'admin' }),
  });
  closeAdmin = () => admin.close();
  await fleet.listen();
  isStarted = true;
  lookForOutages();
  const addresses = {
    gateway: listeners.addresses,
    admin: admin.address,
    registry: registry.address,
  };
  log.info(
    { ...addresses, workers: config.workers, generation: table.table.generation },
    'started',
  );
  return {
    addresses,
    close: () => teardown.close(),
    reopenLogs: () => fleet.reopenLogs(),
    kill: () => fleet.destroy(),
  };
}

/** Each worker has the limit of open files that we have; a promise that it cannot keep is said now. */
function warnOfClients(wanted: number, descriptorsMax: number, log: Log): void {
  const clientsMax = socketRoom(descriptorsMax).clients;
  if (wanted <= clientsMax) return;
  log.warn(
    { maxConnections: wanted, clientsMax, descriptorsMax, needed: descriptorsFor(wanted) },
    'max_connections cannot hold: each worker turns clients away from clientsMax on; raise the limit of open files (ulimit -n; systemd: LimitNOFILE=) to needed, or lower max_connections',
  );
}

type OpenTable = {
  readonly table: Table;
  /** Who hears about changes; until then nobody needs to. */
  onChange(listener: (changes: TableChanges) => void): void;
};

/** The table with its two sources of change, the registry and the checks. */
async function openTable(
  config: Config,
  options: {
    readonly log: Log;
    readonly teardown: Teardown;
    readonly names: Names;
    readonly snapshot: Snapshot;
    readonly source: MembershipSource | undefined;
    readonly strongDeadlineMs: number;
  },
): Promise<OpenTable> {
  const { log, teardown, names, snapshot, source, strongDeadlineMs } = options;
  const initial = snapshot.memory.membership;
  // A registry that the config no longer names has no say, not even a remembered one.
  let membership = source === undefined ? undefined : initial;
  let handOver = (_: (membership: Membership) => void): void => {};
  if (source !== undefined) {
    const followed = followRegistry({ config, source, initial, strongDeadlineMs });
    teardown.add(() => followed.close());
    const first = await followed.first;
    if (first === undefined && config.registry.strongDependency)
      throw noAnswer(source, strongDeadlineMs);
    if (first === undefined) {
      const from = initial === undefined ? 'config' : 'snapshot';
      log.warn({ from, address: source.health().address }, 'starting without the registry');
    }
    membership = first ?? initial;
    handOver = followed.handOver;
  }

  let listener = (_: TableChanges): void => {};
  const checker = new Checker({
    onVerdict: (verdict) => {
      table.setVerdict(verdict);
      if (!verdict.changed) return;
      const { upstream, server, checks, reason } = verdict;
      log.info({ upstream, server, checks, reason }, 'server checks changed');
      remember();
    },
  });
  teardown.add(() => checker.close());
  const table = new Table({
    upstreams: config.upstreams,
    log,
    generation: snapshot.memory.generation + 1,
    membership,
    overrides: snapshot.overrides,
    verdicts: snapshot.memory.verdicts,
    addresses: (name) => names.addresses(name),
    onChange: (changes) => {
      listener(changes);
      remember();
    },
    onMembers: (upstream, servers) => checker.set(upstream.name, upstream.check, servers),
    onMember: ({ name, check }, id, server) => checker.setOne(name, check, id, server),
  });
  teardown.add(() => table.close());
  names.handOver({
    onChange: (changed) => table.setAddresses(changed),
    used: () => table.hosts(),
  });
  const remember = (): void =>
    snapshot.remember(() => ({
      generation: table.generation,
      membership: table.membership,
      verdicts: table.verdicts(),
      names: names.remembered(),
    }));
  remember();
  const strangers = new Set<string>();
  handOver((next) => {
    table.setMembership(next);
    remember();
    for (const name of next.services.keys()) {
      if (table.upstream(name) !== undefined || strangers.has(name)) continue;
      if (strangers.size >= STRANGERS_MAX) break;
      strangers.add(name);
      log.warn({ upstream: name }, 'registry names an upstream that the config does not have');
    }
  });
  return {
    table,
    onChange(next) {
      listener = next;
    },
  };
}
