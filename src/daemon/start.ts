// The composition root: opens the parts, puts the first configuration in force the way every later one
// is, and accepts clients. Nothing accepts a client before all addresses are bound and the workers have
// their first table; when any step fails, what was opened before is closed and the error says why.

import type { ReloadedDocument, ReloadRequest, UpgradingDocument } from '../admin.ts';
import type { Log, RootLog } from '../base/log.ts';
import type { Address } from '../base/units.ts';
import type { Config, ListenerConfig } from '../config.ts';
import { type Lookup, systemLookup } from '../control.ts';
import { ConfigFile } from './config-file.ts';
import { checkFiles } from './files.ts';
import { STRONG_DEADLINE_MS } from './first-answer.ts';
import { openParts } from './parts.ts';
import { type Applied, LiveConfig } from './reload.ts';
import { ServiceManager } from './service-manager.ts';
import type { Inherited, Successor } from './succession.ts';
import { Teardown } from './teardown.ts';

/** A worker that has not taken a new configuration within this time is said to be late, ms. */
const IN_FORCE_DEADLINE_MS = 5000;

export type Daemon = {
  /** As bound: a port 0 of the config is the real one here. */
  readonly addresses: {
    readonly gateway: readonly ListenerConfig[];
    readonly admin: Address;
    /** Of the embedded registry. */
    readonly registry: Address | undefined;
  };
  /** Reads the file again. @throws config_…, conflict, address_…; nothing has changed then */
  reload(request: ReloadRequest): Promise<ReloadedDocument>;
  /**
   * Puts another configuration in force, in every worker when it resolves; `isInForce` is false when one
   * did not answer in time, which then takes it later. What keeps its value is in `kept`.
   */
  applyConfig(next: Config): Promise<Applied & { readonly isInForce: boolean }>;
  /** Finishes what is in flight within `shutdown_timeout`, then closes everything. */
  close(): Promise<void>;
  /** What is logged from now on goes into new files, where the old ones were renamed. */
  reopenLogs(): void;
  /** The configuration in force. */
  readonly config: Config;
  /**
   * Closes everything but the workers and lets the successor take over. Resolves when it serves.
   * @throws what it says is wrong: everything is closed then, and the workers wait for the next primary
   */
  handOver(successor: Successor): Promise<void>;
  /** Ends the workers at once; for a second signal, before the process exits. */
  kill(): void;
};

export type DaemonOptions = {
  readonly log: Log | RootLog;
  /** Reads the configuration again, for a reload; left out: there is no file. */
  readonly load?: () => Promise<Config>;
  /** With strong_dependency: how long the registry may take to answer first, ms. */
  readonly registryDeadlineMs?: number;
  /** Node and the file of this program, to run it for releases; left out: none are started. */
  readonly program?: readonly [string, string];
  /** Who has started this process; left out: nobody who is told. */
  readonly manager?: ServiceManager;
  /** There are workers now, which `finish` tells to end where this process ends before it has started. */
  readonly onWorkers?: (finish: () => void) => void;
  /** Of the process before. */
  readonly inherited?: Inherited | undefined;
  /** Has another process take over; left out: none can. */
  readonly upgrade?: () => Promise<UpgradingDocument>;
  /** Why none took over when one was to. */
  readonly upgradeTrouble?: string;
  /** Addresses of a server given by name; a test brings its own. */
  readonly lookup?: Lookup;
};

/**
 * @throws config_invalid for files that cannot be read, locked, data_dir_unusable, address_in_use, address_unavailable, registry_unreachable;
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
  {
    log,
    registryDeadlineMs = STRONG_DEADLINE_MS,
    lookup = systemLookup,
    manager = new ServiceManager(log, {}),
    ...options
  }: DaemonOptions,
  teardown: Teardown,
): Promise<Daemon> {
  checkFiles(config);
  let live: LiveConfig | undefined;
  let configFile: ConfigFile | undefined;
  const parts = await openParts({
    ...{ log, teardown, lookup, program: options.program, strongDeadlineMs: registryDeadlineMs },
    ...{ inherited: options.inherited, upgradeTrouble: options.upgradeTrouble ?? '' },
    ...{ manager, config: () => live?.config ?? config },
    configFacts: () => configFile?.facts,
  });
  live = new LiveConfig(parts, log);
  const reload = live;
  await reload.applyConfig(config);
  options.onWorkers?.(() => parts.fleet.finish());
  const isInForce = (generation: number): Promise<boolean> =>
    parts.fleet.acknowledged(generation, IN_FORCE_DEADLINE_MS);
  const file = new ConfigFile({
    ...{ live, load: options.load, upgrade: options.upgrade, isInForce, manager, log },
  });
  configFile = file;
  teardown.add(() => file.close());
  teardown.add(() => manager.close());
  const { admin } = await parts.accept(file);
  const { fleet, table, sockets, registryAddress } = parts;
  const addresses = {
    get gateway() {
      return sockets.addresses;
    },
    ...{ admin, registry: registryAddress },
  };
  const gateway = sockets.addresses.map(({ id, host, port }) => ({ id, host, port }));
  log.info(
    { ...addresses, gateway, workers: config.workers, generation: table.generation },
    'started',
  );
  manager.ready();
  return {
    addresses,
    async applyConfig(next) {
      const applied = await reload.applyConfig(next);
      file.applied();
      return { ...applied, isInForce: await isInForce(applied.generation) };
    },
    reload: (request) => file.reload(request),
    get config() {
      return reload.config ?? config;
    },
    async handOver(successor) {
      file.close();
      reload.close();
      try {
        await successor.give(parts.bequeath());
        await parts.letGo();
      } finally {
        await teardown.close();
      }
      await successor.go(parts.legacy());
    },
    close() {
      manager.stopping();
      file.close();
      reload.close();
      return teardown.close();
    },
    reopenLogs() {
      fleet.reopenLogs();
      parts.reopenAudit();
    },
    kill: () => fleet.destroy(),
  };
}
