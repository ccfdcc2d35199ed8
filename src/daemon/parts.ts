// What the daemon is made of, opened in order and closed in the opposite one, still without upstreams,
// routes and workers: these come with the configuration (reload.ts). What is opened here stays as the
// configuration of the start says.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AdminServer,
  AuditLog,
  type Configuration,
  dashboardUrl,
  renderPage,
  type StatusDocument,
  serveAdmin,
} from '../admin.ts';
import { closeUnused } from '../base/listening.ts';
import type { Log } from '../base/log.ts';
import { type Address, formatAddress } from '../base/units.ts';
import { packageVersion } from '../base/version.ts';
import { CertificateKeeper } from '../certificates.ts';
import type { Config, ServiceConfig, UpstreamConfig } from '../config.ts';
import {
  computeEffect,
  DaemonControl,
  type Lookup,
  Names,
  OutageWatch,
  ProgramDesk,
  type ReceiptsJson,
  RegistryDesk,
  SharedControl,
  Table,
} from '../control.ts';
import { Checker } from '../health.ts';
import { Supervisor } from '../release.ts';
import { lockStateDir, openSnapshot } from '../snapshot.ts';
import { Fleet, type FleetJson, findGuests, ListenSockets, type TableChanges } from '../workers.ts';
import { LiveView } from './live.ts';
import { dataDirsOf, refuseLostData } from './lost-data.ts';
import { ownProgram } from './own-program.ts';
import { followRegistries, openRegistries } from './registries.ts';
import type { ServiceManager } from './service-manager.ts';
import { Strangers } from './strangers.ts';
import type { Inherited, NamedSockets } from './succession.ts';
import type { Teardown } from './teardown.ts';

export type Parts = {
  readonly table: Table;
  readonly names: Names;
  readonly sockets: ListenSockets;
  readonly fleet: Fleet;
  readonly certificates: CertificateKeeper;
  /** Where the embedded registry's API listens. */
  readonly registryAddress: Address | undefined;
  /** The registries are asked for these upstreams. */
  follow(upstreams: readonly UpstreamConfig[]): void;
  /** Instances of these services are started again when they end. */
  supervise(services: readonly ServiceConfig[]): void;
  /** The table has changed: for the next start, and for those who say what is wrong. */
  changed(changes: TableChanges): void;
  /** Of the control API; those who have another are strangers at once. */
  useTokens(tokens: Config['admin']): void;
  /** The audit log goes on in a new file, where the old one was renamed. */
  reopenAudit(): void;
  /** For the next primary, which our workers serve on for: the sockets that we listen on. */
  bequeath(): NamedSockets;
  /** What no file has and the next primary goes on with; when all is closed. */
  legacy(): Legacy;
  /** Nobody new comes to our control API; whoever has come is answered. */
  letGo(): Promise<void>;
  /** Serves the control API and accepts clients. */
  accept(configuration: Configuration): Promise<{ readonly admin: Address }>;
};

export type Legacy = { readonly fleet: FleetJson; readonly receipts: ReceiptsJson };

export type PartsOptions = {
  /** It may have opened our sockets. */
  readonly manager: ServiceManager;
  /** Of the primary before. */
  readonly inherited: Inherited | undefined;
  readonly log: Log;
  readonly teardown: Teardown;
  /** With strong_dependency: how long the registry may take to answer first, ms. */
  readonly strongDeadlineMs: number;
  readonly lookup: Lookup;
  /** Node and the file of this program; undefined: it cannot be run. */
  readonly program: readonly [string, string] | undefined;
  /** The configuration in force; before there is one, that of the start. */
  readonly config: () => Config;
  /** Why no other process took over; '' = none was to. */
  readonly upgradeTrouble: string;
  /** Where it is from. */
  readonly configFacts: () => StatusDocument['configuration'];
};

/** Whoever connected to our APIs before the next primary listens has sent its request by then, ms. */
const GRACE_MS = 200;
/** @throws locked, data_dir_unusable, address_in_use, address_unavailable, registry_unreachable */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { log, teardown } = options;
  const config = options.config();
  /** Another primary takes over. */
  let isFollowed = false;
  const lock = lockStateDir(config.stateDir);
  teardown.add(() => lock.release());
  const snapshot = openSnapshot({ stateDir: config.stateDir, log });
  teardown.add(() => snapshot.close());
  refuseLostData(config, snapshot.memory, snapshot.memoryFile);
  let admin: AdminServer | undefined;
  const registries = await openRegistries(config, {
    ...{ log, teardown },
    dashboard: (asked) => {
      if (admin === undefined) return '';
      return dashboardUrl(admin.address, asked, config.admin.tls !== null);
    },
    inherited: options.inherited?.listening.get('registry'),
  });
  // When the last of ours has said what it has to say there.
  teardown.add(async () => {
    if (!isFollowed) return;
    for (const { opened } of registries) opened.stopAccepting?.();
    await sleep(GRACE_MS);
  });
  const names = new Names({ lookup: options.lookup, log, remembered: snapshot.memory.names });
  teardown.add(() => names.close());
  const followed = await followRegistries(registries, {
    ...{ log, teardown, strongDeadlineMs: options.strongDeadlineMs },
    remembered: snapshot.memory.memberships,
    upstreams: () => options.config().upstreams,
  });
  const handover = join(config.stateDir, 'workers');
  const guests = await findGuests(handover, log);
  teardown.add(() => {
    // Those that were not told to finish serve on for the next start.
    for (const { socket } of guests) socket.destroy();
  });
  const sockets = new ListenSockets();
  sockets.inherit(await options.manager.socketsFor(config.gateway.listen));
  for (const guest of guests) sockets.inherit(guest.sockets);
  (await sockets.prepare(config.gateway.listen)).commit();
  const adminLog = log.child({ component: 'admin' });

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
    memberships: followed.memberships,
    overrides: snapshot.overrides.filter(({ admin }) => admin.state !== 'ready'),
    verdicts: snapshot.memory.verdicts,
    addresses: (name) => names.addresses(name),
    onChange: (changes) => {
      fleet.update(changes);
      live.changed(changes);
      changed();
    },
    onMembers: (upstream, servers) => checker.set(upstream.name, upstream.check, servers),
    onMember: ({ name, check }, id, server) => checker.setOne(name, check, id, server),
  });
  teardown.add(() => table.close());
  const fleet = new Fleet({
    ...{ handover, guests },
    sockets: () => sockets.handles,
    log,
    table: (changes) => table.update(changes),
    onFigures: () => {
      lookForOutages();
      shared.note();
    },
    onStories: (worker, batch) => live.heard(worker, batch),
    readPage: async (name, query) => renderPage(name, query, await control.status()),
  });
  const certificates = new CertificateKeeper({
    ...{ stateDir: config.stateDir, log },
    onChange: (tls) => fleet.useCertificates(tls),
  });
  teardown.add(() => certificates.close());
  const audit = new AuditLog({ file: config.admin.auditLog, log: adminLog });
  const shared = new SharedControl({
    ...{ registries, version: packageVersion(), table, fleet, snapshot },
    log: log.child({ component: 'gateways' }),
    audit: (event) => audit.record(event),
  });
  const control = new DaemonControl({
    ...{ version: packageVersion(), table, fleet, snapshot, registries, log, shared },
    ...{ configFacts: options.configFacts, upgradeTrouble: options.upgradeTrouble },
    certificates: () => certificates.facts,
    supervised: (upstream, server) => supervisor.of(upstream, server),
  });
  const live = new LiveView({ table, fleet, shared, control, audit, log: adminLog });
  teardown.add(() => live.close());
  const supervisor = new Supervisor({
    isHeld: (upstream, server) => {
      const member = table.member(upstream, server);
      return member !== undefined && member.admin.state !== 'ready';
    },
    log: log.child({ component: 'supervisor' }),
  });
  teardown.add(() => supervisor.close());
  const releases = new ProgramDesk({
    config: options.config,
    releases: () => shared.releases,
    program: (now) =>
      options.program === undefined ? undefined : ownProgram(options.program, now, admin?.address),
    log: log.child({ component: 'releases' }),
  });
  teardown.add(() => releases.close());
  const outages = new OutageWatch({
    upstreams: () => table.upstreams,
    figures: () => fleet.figures(),
    refused: (upstream) => fleet.refused(upstream),
    log,
  });
  teardown.add(() => audit.close());
  let isStarted = false;
  const lookForOutages = (): void => {
    if (isStarted) outages.look(performance.now());
  };
  const remember = (): void =>
    snapshot.remember(() => ({
      generation: table.generation,
      memberships: table.memberships,
      verdicts: table.verdicts(),
      names: names.remembered(),
      dataDirs: dataDirsOf(config),
    }));
  const changed = (): void => {
    remember();
    lookForOutages();
    shared.note();
  };
  // After the workers: until they are gone, others wait for what they have in flight.
  teardown.add(() => shared.close(isFollowed));
  // Until the last worker is gone it says that we are shutting down.
  teardown.add(() => admin?.close());
  teardown.add(async () => {
    control.close();
    live.endStreams();
    // Before the workers: nobody new gets into a queue that nobody serves.
    sockets.close();
    const deadlineMs = isStarted ? options.config().shutdownTimeoutMs : 0;
    isStarted = false;
    if (isFollowed) fleet.leave();
    else await fleet.close(deadlineMs);
  });
  names.handOver({
    onChange: (moved) => table.setAddresses(moved),
    used: () => table.hosts(),
  });
  const legacy = options.inherited?.state;
  if (isLegacy(legacy) && fleet.restore(legacy.fleet))
    shared.receipts.own().restore(legacy.receipts);
  else if (options.inherited !== undefined) log.warn({}, 'counters and open receipts begin anew');
  // What is out elsewhere is out here, before the first request.
  await shared.start();
  const strangers = new Strangers(log);
  followed.handOver((registry, next) => {
    table.setMembership(registry, next);
    remember();
    shared.note();
    strangers.look(registry, next, options.config().upstreams);
  });
  return {
    ...{ table, names, sockets, fleet, certificates },
    registryAddress: registries[0]?.opened.address,
    follow: (upstreams) => followed.setUpstreams(upstreams),
    supervise: (services) => supervisor.setServices(services),
    changed: (changes) => {
      live.changed(changes);
      changed();
      shared.reconfigured();
    },
    useTokens: (tokens) => admin?.useTokens(tokens),
    reopenAudit: () => audit.reopen(),
    async letGo() {
      admin?.stopAccepting();
      await sleep(GRACE_MS);
    },
    bequeath() {
      isFollowed = true;
      const sockets = [
        ['admin', admin?.listening],
        ['registry', registries[0]?.opened.listening],
      ] as const;
      return new Map(sockets.flatMap(([name, one]) => (one === undefined ? [] : [[name, one]])));
    },
    legacy: () => ({ fleet: fleet.toJson(), receipts: shared.receipts.own().toJson() }),
    async accept(configuration) {
      const { listen, ...rest } = config.admin;
      admin = await serveAdmin({
        ...{ ...listen, ...rest, control, audit, log: adminLog },
        inherited: options.inherited?.listening.get('admin'),
        facts: (upstream, server) => control.facts(upstream, server),
        sessionKeyFile: join(config.stateDir, 'session.key'),
        ...{ live, configuration },
        desk: {
          records: new RegistryDesk({ table, fleet, shared, registries }),
          releases,
          effect: (upstream, server, question) =>
            computeEffect({ table, fleet, shared, registries }, upstream, server, question),
        },
        readiness: () => control.readiness(),
      });
      closeUnused(options.inherited?.listening.values() ?? [], [
        ...[admin.listening, registries[0]?.opened.listening],
      ]);
      // Before the first client: whoever takes a server out from now on waits for this gateway, too.
      const scheme = config.admin.tls === null ? '' : 'https://';
      await shared.join(`${scheme}${formatAddress(admin.address)}`);
      await fleet.listen();
      isStarted = true;
      live.start();
      lookForOutages();
      return { admin: admin.address };
    },
  };
}

/** Ours, of this version or another: which one it is, the fleet looks at. */
function isLegacy(value: unknown): value is Legacy {
  return typeof value === 'object' && value !== null && 'fleet' in value && 'receipts' in value;
}
