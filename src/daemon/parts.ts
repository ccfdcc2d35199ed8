// What the daemon is made of, opened in order and closed in the opposite one, still without upstreams,
// routes and workers: these come with the configuration (reload.ts). What is opened here stays as the
// configuration of the start says.

import { renderPage, serveAdmin } from '../admin.ts';
import type { Log } from '../base/log.ts';
import type { Address } from '../base/units.ts';
import { packageVersion } from '../base/version.ts';
import { type Config, readDocument } from '../config.ts';
import { DaemonControl, type Lookup, Names, OutageWatch, Table } from '../control.ts';
import { Checker } from '../health.ts';
import { kindOf, type Membership, type MembershipSource } from '../registry.ts';
import { lockStateDir, openSnapshot, type Snapshot } from '../snapshot.ts';
import { type BoundListeners, bindListeners, Fleet } from '../workers.ts';
import { type FollowedRegistry, followRegistry, noAnswer } from './first-answer.ts';
import { Strangers } from './strangers.ts';
import type { Teardown } from './teardown.ts';

export type Parts = {
  readonly table: Table;
  readonly names: Names;
  readonly listeners: BoundListeners;
  readonly fleet: Fleet;
  /** Where the embedded registry's API listens. */
  readonly registryAddress: Address | undefined;
  /** The table has changed: for the next start, and for those who say what is wrong. */
  changed(): void;
  /** Serves the control API and accepts clients. */
  accept(): Promise<{ readonly admin: Address }>;
};

export type PartsOptions = {
  readonly log: Log;
  readonly teardown: Teardown;
  /** With strong_dependency: how long the registry may take to answer first, ms. */
  readonly strongDeadlineMs: number;
  readonly lookup: Lookup;
  /** The configuration in force; before there is one, that of the start. */
  readonly config: () => Config;
};

/** @throws locked, data_dir_unusable, address_in_use, address_unavailable, registry_unreachable */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { log, teardown } = options;
  const config = options.config();
  const lock = lockStateDir(config.stateDir);
  teardown.add(() => lock.release());
  const snapshot = openSnapshot({ stateDir: config.stateDir, log });
  teardown.add(() => snapshot.close());
  const { settings, prefix } = config.registry;
  const registry = await kindOf(settings).open(settings, {
    log: log.child({ component: 'registry' }),
    prefix,
    readDocument,
  });
  teardown.add(() => registry.close());
  const names = new Names({ lookup: options.lookup, log, remembered: snapshot.memory.names });
  teardown.add(() => names.close());
  const { membership, followed } = await firstMembership(options, registry.source, snapshot);
  const listeners = await bindListeners(config.gateway.listen);

  // From here to the end nothing can fail, so that what is not in the teardown yet is not lost.
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
    log,
    generation: snapshot.memory.generation,
    membership,
    overrides: snapshot.overrides,
    verdicts: snapshot.memory.verdicts,
    addresses: (name) => names.addresses(name),
    onChange: (changes) => {
      fleet.update(changes);
      changed();
    },
    onMembers: (upstream, servers) => checker.set(upstream.name, upstream.check, servers),
    onMember: ({ name, check }, id, server) => checker.setOne(name, check, id, server),
  });
  teardown.add(() => table.close());
  const fleet = new Fleet({
    workers: config.workers,
    logLevel: config.logLevel,
    handles: listeners.handles,
    log,
    table: (changes) => table.update(changes),
    onFigures: () => lookForOutages(),
    readPage: async (name, query) => renderPage(name, query, await control.status()),
  });
  const control = new DaemonControl({
    ...{ version: packageVersion(), table, fleet, snapshot, registry, log },
    registryConfig: config.registry,
  });
  const outages = new OutageWatch({
    upstreams: () => table.upstreams,
    figures: () => fleet.figures(),
    refused: (upstream) => fleet.refused(upstream),
    log,
  });
  let isStarted = false;
  const lookForOutages = (): void => {
    if (isStarted) outages.look(performance.now());
  };
  const remember = (): void =>
    snapshot.remember(() => ({
      generation: table.generation,
      membership: table.membership,
      verdicts: table.verdicts(),
      names: names.remembered(),
    }));
  const changed = (): void => {
    remember();
    lookForOutages();
  };
  // Until the last worker is gone it says that we are shutting down.
  let closeAdmin = async (): Promise<void> => {};
  teardown.add(() => closeAdmin());
  teardown.add(async () => {
    control.close();
    // Before the workers: nobody new gets into a queue that nobody serves.
    listeners.close();
    const deadlineMs = isStarted ? options.config().shutdownTimeoutMs : 0;
    isStarted = false;
    await fleet.close(deadlineMs);
  });
  names.handOver({
    onChange: (moved) => table.setAddresses(moved),
    used: () => table.hosts(),
  });
  const strangers = new Strangers(log);
  followed?.handOver((next) => {
    table.setMembership(next);
    remember();
    strangers.look(next, options.config().upstreams);
  });
  return {
    ...{ table, names, listeners, fleet, changed, registryAddress: registry.address },
    async accept() {
      const { listen, token } = config.admin;
      const admin = await serveAdmin({
        ...{ ...listen, token, control, log: log.child({ component: 'admin' }) },
        readiness: () => control.readiness(),
      });
      closeAdmin = () => admin.close();
      await fleet.listen();
      isStarted = true;
      lookForOutages();
      return { admin: admin.address };
    },
  };
}

type First = {
  /** The registry's, or that of the last run; undefined: nothing is known. */
  readonly membership: Membership | undefined;
  readonly followed: FollowedRegistry | undefined;
};

async function firstMembership(
  { log, teardown, strongDeadlineMs, config }: PartsOptions,
  source: MembershipSource | undefined,
  snapshot: Snapshot,
): Promise<First> {
  // A registry that the config no longer names has no say, not even a remembered one.
  if (source === undefined) return { membership: undefined, followed: undefined };
  const initial = snapshot.memory.membership;
  const followed = followRegistry({
    ...{ source, initial, strongDeadlineMs },
    config: config().registry,
    // What the config does not have serves nobody: there is nothing to hold on to.
    allowEmpty: (name) =>
      config().upstreams.find((upstream) => upstream.name === name)?.allowEmpty !== false,
  });
  teardown.add(() => followed.close());
  const first = await followed.first;
  if (first !== undefined) return { membership: first, followed };
  if (config().registry.strongDependency) throw noAnswer(source, strongDeadlineMs);
  const from = initial === undefined ? 'config' : 'snapshot';
  log.warn({ from, address: source.health().address }, 'starting without the registry');
  return { membership: initial, followed };
}
