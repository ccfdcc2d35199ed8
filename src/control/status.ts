// Puts the status document together: members from the table, verdicts from the checks, counts and
// eligibility from the workers. Reads only.

import type {
  GatewayDocument,
  RegistryDocument,
  ServerDocument,
  StatusDocument,
  UpstreamDocument,
} from '../admin.ts';
import { type Findings, openStreams, openTunnels, stateAttributes } from '../model.ts';
import type { Fleet, WorkerFigures } from '../workers.ts';
import type { KnownRegistry } from './known-registry.ts';
import type { Others } from './others.ts';
import { memberEligibility } from './reported.ts';
import type { KnownUpstream, Memberships, Table } from './table.ts';

export type SupervisedFacts = Pick<
  ServerDocument,
  'restarts' | 'lastExit' | 'lastExitMs' | 'resting'
>;

const NOT_SUPERVISED: SupervisedFacts = { restarts: 0, lastExit: '', lastExitMs: 0, resting: '' };

export type StatusSource = {
  readonly version: string;
  readonly startedAtMs: number;
  readonly others: Others;
  /** This gateway as the others see it. */
  readonly self: GatewayDocument;
  readonly table: Table;
  readonly fleet: Fleet;
  /** What is known of instances that this machine looks after. */
  readonly supervised:
    | ((upstream: string, server: string) => SupervisedFacts | undefined)
    | undefined;
  /** Ready was said, and is not in force yet. */
  readonly isGivenBack: (upstream: string, server: string) => boolean;
  readonly configuration: StatusDocument['configuration'];
  /** Why no other process took over. */
  readonly upgradeTrouble: string;
  readonly certificates: StatusDocument['certificates'];
  /** First that of the section `registry`. */
  readonly registries: readonly [KnownRegistry, ...KnownRegistry[]];
};

export function buildStatus(source: StatusSource): StatusDocument {
  const { table, fleet } = source;
  const figures = fleet.figures();
  const [registry, ...registries] = source.registries;
  const { others } = source;
  return {
    version: source.version,
    generation: table.generation,
    startedAtMs: source.startedAtMs,
    configuration: source.configuration,
    process: { pid: process.pid, trouble: source.upgradeTrouble },
    certificates: source.certificates,
    scope: others.scope,
    gateways: [source.self, ...others.documents(source.self.index)],
    workers: fleet.links.map((link) => ({
      id: link.id,
      pid: link.pid,
      generation: link.acknowledged,
      connections: link.figures.connections,
      silentMs: Math.round(link.silentMs),
    })),
    registry: buildRegistry(registry, table.memberships),
    registries: registries.map((named) => buildRegistry(named, table.memberships)),
    upstreams: table.upstreams.map((upstream) =>
      buildUpstream(upstream, {
        fleet,
        figures,
        others,
        problems: problemsOf(upstream, table.memberships),
        supervised: source.supervised,
        isGivenBack: source.isGivenBack,
      }),
    ),
  };
}

function buildUpstream(
  { config, members, verdicts }: KnownUpstream,
  context: {
    readonly fleet: Fleet;
    readonly figures: readonly WorkerFigures[];
    readonly others: Others;
    readonly problems: UpstreamDocument['problems'];
    readonly supervised: StatusSource['supervised'];
    readonly isGivenBack: StatusSource['isGivenBack'];
  },
): UpstreamDocument {
  const totals = context.fleet.totals(config.name);
  const elsewhere = context.others.servers(config.name);
  const servers = [...members.values()].map((member): ServerDocument => {
    const { state, source, registry, alsoIn, admin } = member;
    const verdict = verdicts.get(state.id);
    const counters = totals.servers.get(state.id);
    const { outElsewhere, isConfirmed } = elsewhere(state.id, admin);
    const isGivenBack = context.isGivenBack(config.name, state.id);
    return {
      id: state.id,
      addresses: state.addresses,
      ...stateAttributes(state),
      source,
      registry,
      alsoIn,
      admin,
      checks: config.check === null ? 'off' : state.checks,
      mustPass: state.mustPass,
      checkReason: verdict?.reason ?? '',
      checkType: config.check?.type ?? 'none',
      checkPort: config.check?.port ?? 0,
      riseCount: verdict?.riseCount ?? 0,
      fallCount: verdict?.fallCount ?? 0,
      eligibility: memberEligibility(config.name, member, context.figures),
      outElsewhere,
      settled: context.fleet.isAcknowledged(member.adminGeneration) && isConfirmed && !isGivenBack,
      givenBack: isGivenBack,
      inFlight: inFlight(config.name, state.id, context.figures),
      ...openLasting(config.name, state.id, context.figures),
      requests: counters?.attempts ?? 0,
      failures: counters?.failures ?? 0,
      ...findings(config.name, state.id, context.figures),
      ...oldest(config.name, state.id, context.figures),
      ...(context.supervised?.(config.name, state.id) ?? NOT_SUPERVISED),
    };
  });
  return {
    name: config.name,
    balance: config.balancing.method,
    eligible: servers.filter(({ eligibility }) => eligibility === 'ok').length,
    servers,
    problems: context.problems,
  };
}

/** The latest failure in any worker, and the sum of the failures in a row of all workers. */
function findings(upstream: string, server: string, figures: readonly WorkerFigures[]): Findings {
  let [failedInARow, ejectedUntilMs, lastFailureMs, lastFailure, ramp] = [0, 0, 0, '', 1];
  for (const figure of figures) {
    const found = figure.server(upstream, server)?.findings;
    if (found === undefined) continue;
    failedInARow += found.failedInARow;
    ejectedUntilMs = Math.max(ejectedUntilMs, found.ejectedUntilMs);
    ramp = Math.min(ramp, found.ramp);
    if (found.lastFailureMs > lastFailureMs) ({ lastFailureMs, lastFailure } = found);
  }
  return { failedInARow, lastFailure, lastFailureMs, ejectedUntilMs, ramp };
}

/** Of all workers. */
function oldest(upstream: string, server: string, figures: readonly WorkerFigures[]) {
  const all = figures.flatMap((figure) =>
    figure.oldest.filter((one) => one.upstream === upstream && one.server === server),
  );
  const [first] = all.sort((a, b) => a.sinceMs - b.sinceMs);
  return { oldestRequest: first?.request ?? '', oldestSinceMs: first?.sinceMs ?? 0 };
}

export function inFlight(
  upstream: string,
  server: string,
  figures: readonly WorkerFigures[],
): number {
  return figures.reduce((sum, figure) => sum + (figure.server(upstream, server)?.inFlight ?? 0), 0);
}

/** Of those in flight. */
export function openLasting(
  upstream: string,
  server: string,
  figures: readonly WorkerFigures[],
): { readonly tunnels: number; readonly streams: number } {
  let [tunnels, streams] = [0, 0];
  for (const figure of figures) {
    const counters = figure.server(upstream, server)?.counters;
    if (counters === undefined) continue;
    tunnels += openTunnels(counters);
    streams += openStreams(counters);
  }
  return { tunnels, streams };
}

function problemsOf(
  { config: { name, follows } }: KnownUpstream,
  memberships: Memberships,
): UpstreamDocument['problems'] {
  return follows.flatMap(({ registry }) =>
    (memberships.get(registry)?.problems ?? [])
      .filter(({ service }) => service === name)
      .map(({ server, key, message }) => {
        const where = follows.length > 1 ? ` (in ${registry})` : '';
        return { server, key, message: `${message}${where}` };
      }),
  );
}

function buildRegistry(
  { config, opened }: KnownRegistry,
  memberships: Memberships,
): RegistryDocument {
  const health = opened.source?.health();
  return {
    name: config.name,
    kind: config.settings.kind,
    address: health?.address ?? '',
    recordPrefix: config.serversIn === undefined ? config.prefix : '',
    reachable: health?.reachable ?? true,
    index: memberships.get(config.name)?.index ?? 0,
    lastContactMs: health?.lastContactMs ?? 0,
    trouble: health?.trouble ?? '',
  };
}
