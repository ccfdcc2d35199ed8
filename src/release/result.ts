// The result of a release, from what was seen at its end: who serves what, why it ended so, what
// became of the traffic, and what to do next. Pure.

import { exitCode } from '../base/errors.ts';
import type { ServiceConfig } from '../config.ts';
import { isInPool, type PoolServer } from './control.ts';
import { driverOf } from './drivers.ts';
import type { InstanceResult, ReleaseReceipt, ReleaseResult } from './events.ts';
import { addAdvice, type Plan, type PlanOptions, strangerAdvice } from './plan.ts';
import type { Settled } from './run.ts';
import type { StepFailure } from './step-end.ts';
import type { Survey } from './survey.ts';
import { amountText, judge, minus, NOTHING, plus, type Tally, tallyOf } from './verdict.ts';
import type { Interrupts } from './wait.ts';

type Story = {
  readonly service: ServiceConfig;
  readonly release: string;
  readonly plan: Plan;
  readonly options: PlanOptions;
  readonly failure: StepFailure | null;
  /** What could not be written to the runner's disk; null when all could. */
  readonly storage: StepFailure | null;
  /** Refused before anything was done. */
  readonly isRefused: boolean;
  readonly settled: ReadonlyMap<string, Settled>;
  readonly receipt: ReleaseReceipt | null;
  /** By instance: what it was counted with until the new version was there. */
  readonly marks: ReadonlyMap<string, Tally>;
  /** The signal that interrupted it, '' for none. */
  readonly signal: string;
  /** Who wanted it to end; '' when nobody did. */
  readonly aborted: string;
  readonly ms: number;
};

/** Somebody wanted it to end. */
const EXIT_ABORTED = 1;
const NOT_THERE = 'not in the upstream';
/** Something was stopped or started. */
const CHANGED: ReadonlySet<InstanceResult['outcome']> = new Set(['released', 'stopped', 'retired']);
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGTERM: 15,
  SIGPWR: 30,
};

export function describeResult(story: Story, seen: Survey): ReleaseResult {
  const { service, plan, failure } = story;
  const listed = seen.instances.map((instance): InstanceResult => {
    const { outcome = 'untouched', note = '' } = story.settled.get(instance.id) ?? {};
    // Why is said once, below or above the table, and not in each of its rows.
    const pool = seen.trouble === null ? poolText(instance.server) : 'pool not known';
    const inPool = instance.server !== undefined && isInPool(instance.server);
    const { id, stranger } = instance;
    const version = stranger === '' ? instance.version : '';
    const answers = outcome === 'released' ? answersOf(story, id) : null;
    return { instance: id, version, stranger, inPool, pool, outcome, note, answers };
  });
  const instances = [...listed, ...retiredOf(story, seen)];
  const changed = instances.some(({ outcome }) => CHANGED.has(outcome));
  const doubts = doubtsOf(story, instances);
  return {
    release: story.release,
    service: service.name,
    kind: story.options.kind ?? 'deploy',
    version: plan.version,
    outcome: outcomeOf(story, changed),
    code: failure?.code ?? '',
    exit: exitOf(story),
    reason: reasonOf(story),
    evidence: [
      ...(story.isRefused ? plan.problems.slice(1).map((problem) => problem.message) : []),
      ...(failure?.evidence ?? []),
    ],
    instances,
    receipt: story.receipt,
    doubts,
    next: [
      ...unseen(story, seen),
      ...doubtSteps(story, doubts),
      ...nextSteps(story, instances, seen),
    ],
    scope: story.receipt?.scope ?? plan.scope ?? seen.scope,
    ms: story.ms,
  };
}

/** They were stopped and are in no list any more, so the last look does not find them. */
function retiredOf({ settled }: Story, seen: Survey): readonly InstanceResult[] {
  const gone = { version: '', stranger: '', inPool: false, pool: NOT_THERE, answers: null };
  return [...settled].flatMap(([instance, { outcome, note = '' }]) =>
    outcome === 'retired' && seen.instances.every(({ id }) => id !== instance)
      ? [{ instance, ...gone, outcome, note }]
      : [],
  );
}

/** Of one that ended before the survey: no version was made, or it is none that can be brought. */
export function describeUnbegun(
  story: {
    readonly service: ServiceConfig;
    readonly release: string;
    readonly version: string;
    readonly failure: StepFailure;
    readonly interrupts: Interrupts;
    /** What its commands printed; '' = there were none. */
    readonly output: string;
  },
  startedMs: number,
): ReleaseResult {
  const { service, release, version, failure, interrupts, output } = story;
  const { code, reason, evidence } = failure;
  const isInterrupted = code === 'interrupted';
  return {
    ...{ release, service: service.name, kind: 'deploy', version, code, reason, evidence },
    outcome: isInterrupted ? 'interrupted' : 'refused',
    exit: isInterrupted ? signalExit(interrupts.name) : exitCode(code),
    ...{ instances: [], receipt: null, doubts: [], scope: null },
    next: [
      ...(output === '' || isInterrupted ? [] : [`read ${output}`]),
      isInterrupted ? 'nothing was changed: run the same command again' : 'fix it and deploy again',
    ],
    ms: Math.round(performance.now() - startedMs),
  };
}

/** When a released version is doubted without `verify`: it costs nobody more than a look. */
const DOUBT = { minRequests: 5, minErrors: 3, errorShareMax: 0.01, vsPeers: 3 };

/** What the instance was counted with since the new version was there. */
function answersOf({ receipt, marks }: Story, id: string): InstanceResult['answers'] {
  const mark = marks.get(id);
  const now = receipt?.servers.find((server) => server.id === id);
  return mark === undefined || now === undefined ? null : minus(tallyOf(now), mark);
}

/** "Nothing was lost" is also true of a version that answers every request with an error. */
function doubtsOf({ marks, plan }: Story, instances: readonly InstanceResult[]): readonly string[] {
  const before = [...marks.values()].reduce(plus, NOTHING);
  return instances.flatMap(({ instance, answers }) => {
    if (answers === null) return [];
    const tallies = { fresh: answers, siblings: NOTHING, before };
    const { kind, facts } = judge(tallies, DOUBT, true);
    if (kind !== 'bad') return [];
    const old = plan.from.filter((version) => version !== plan.version).join(', ') || 'before';
    const others = facts['peers'] === 'none' ? '' : `; ${old}: ${amountText(before)}`;
    return [
      `${instance} on ${plan.version}: ${amountText(answers)} of its requests got a 5xx or no answer${others}`,
    ];
  });
}

function doubtSteps({ service, plan }: Story, doubts: readonly string[]): readonly string[] {
  if (doubts.length === 0) return [];
  const [old] = plan.from.filter((version) => version !== plan.version);
  // What a deploy brings is the artifact that lies here, whatever version it is told.
  const command =
    service.artifact === null
      ? `sluice deploy ${service.name} --version ${old}`
      : `sluice rollback ${service.name} --to ${old} -m WHY`;
  const back = old === undefined ? '' : `, or go back: ${command}`;
  const gate =
    service.verify === null
      ? [`with "verify" in services.${service.name} a release stops at the first such instance`]
      : [];
  return [`see why ${plan.version} answers with errors${back}`, ...gate];
}

/** Why the pool at the end is not known, unless the release failed of just that. */
function unseen({ failure }: Story, { trouble }: Survey): readonly string[] {
  if (trouble === null || failure?.code === trouble.code) return [];
  return [
    `see what is in the pool ("sluice status"); at the end it was not known: ${trouble.message}`,
  ];
}

function outcomeOf(story: Story, changed: boolean): ReleaseResult['outcome'] {
  if (story.failure === null) return changed ? 'succeeded' : 'unchanged';
  if (story.isRefused) return 'refused';
  if (story.failure.code === 'rolled_back') return 'rolled_back';
  if (story.aborted !== '') return 'aborted';
  const { code } = story.failure;
  return code === 'interrupted' || code === 'not_approved' ? 'interrupted' : 'failed';
}

function reasonOf({ failure, aborted }: Story): string {
  if (failure === null) return '';
  const { code, reason } = failure;
  return code === 'interrupted' && aborted !== '' && !reason.startsWith(aborted) ? aborted : reason;
}

function exitOf(story: Story): number {
  if (story.failure === null) return 0;
  const { code } = story.failure;
  if (code === 'interrupted' && story.signal === '') return EXIT_ABORTED;
  return code === 'interrupted' ? signalExit(story.signal) : exitCode(code);
}

function signalExit(signal: string): number {
  return 128 + (SIGNAL_NUMBERS[signal] ?? 2);
}

function poolText(server: PoolServer | undefined): string {
  if (server === undefined) return NOT_THERE;
  const { admin, eligibility, checkReason } = server;
  if (isInPool(server)) return eligibility === 'ok' ? 'in pool' : `in pool, ${eligibility}`;
  if (admin.state !== 'ready') return `out of the pool: ${admin.state} by ${admin.owner || '?'}`;
  return `out of the pool: ${eligibility}${checkReason === '' ? '' : ` (${checkReason})`}`;
}

function nextSteps(
  story: Story,
  instances: readonly InstanceResult[],
  seen: Survey,
): readonly string[] {
  const { failure, isRefused } = story;
  const afterwards =
    failure === null || isRefused ? [] : failureSteps(story, failure, instances, seen);
  const skipped = instances.filter((instance) => instance.outcome === 'skipped');
  // A version that failed elsewhere is not advised for it.
  const again = speaksAgainstVersion(failure)
    ? 'deploy the version that works'
    : sameCommand(story).again;
  return [
    ...afterwards,
    ...mixedStep(story, instances),
    ...skipped.map(
      ({ instance, note }) =>
        `${instance} was left alone (${note}); when it is free again: ${again}`,
    ),
  ];
}

const NO_WAY_BACK: ReadonlySet<StepFailure['code']> = new Set(['interrupted', 'rollback_failed']);

/** Some were released before it failed, and serve the version beside others with the old one. */
function mixedStep(
  { failure, options, service, plan }: Story,
  instances: readonly InstanceResult[],
): readonly string[] {
  // Whoever interrupted it has the way on already; and a way back that failed is none.
  if (failure === null || NO_WAY_BACK.has(failure.code)) return [];
  if ((options.kind ?? 'deploy') !== 'deploy') return [];
  const versions = versionsServing(instances);
  if (versions.size < 2 || !versions.has(plan.version)) return [];
  return [`or go back, every instance: sluice rollback ${service.name} -m WHY`];
}

/** How many instances take traffic with each version. */
export function versionsServing(instances: readonly InstanceResult[]): ReadonlyMap<string, number> {
  const versions = new Map<string, number>();
  for (const { inPool, version } of instances) {
    if (inPool && version !== '') versions.set(version, (versions.get(version) ?? 0) + 1);
  }
  return versions;
}

function speaksAgainstVersion(failure: StepFailure | null): boolean {
  const { code } = failure ?? {};
  return code === 'release_failed' || code === 'rollback_failed' || code === 'rolled_back';
}

function failureSteps(
  story: Story,
  failure: StepFailure,
  instances: readonly InstanceResult[],
  seen: Survey,
): readonly string[] {
  const { service } = story;
  const { isWhole, again } = sameCommand(story);
  const stuck = instances.filter((instance) => instance.outcome === 'stuck');
  const parked = instances.filter((instance) => instance.outcome === 'parked');
  const logOf = (id: string): string => {
    const found = seen.instances.find((instance) => instance.id === id);
    return found === undefined ? '' : driverOf(service, found).logPlace;
  };
  const logs = [...parked, ...instances.filter((instance) => instance.outcome === 'reverted')].map(
    (instance) => `read ${logOf(instance.instance)}`,
  );
  const stuckText = stuck.map(({ instance }) => {
    const { runs } = story.settled.get(instance) ?? {};
    const state = runs === undefined ? 'is left half-way' : `runs ${runs}, not admitted`;
    return `${instance} ${state}; the next deploy takes it up first`;
  });
  const held = seen.instances.some((instance) => instance.stranger !== '');
  const remedies = remediesOf(story, seen).map((text) => `${text}, then: ${again}`);
  if (failure.isServerRemoved === true) {
    const missing = instances.filter((instance) => instance.pool === NOT_THERE);
    return [
      ...stuckText,
      ...missing.map(
        ({ instance }) => `${instance} is in no pool; ${addAdvice(service, instance)}`,
      ),
      `then: ${again}; or take the instance out of services.${service.name}: its process runs on until you stop it`,
    ];
  }
  switch (failure.code) {
    case 'interrupted':
      return [
        ...stuckText,
        isWhole
          ? `begin again, with every instance: ${again}`
          : `go on where it stopped, finished instances are skipped: ${again}`,
      ];
    case 'not_approved':
      return [`ask again, finished instances are skipped: sluice resume ${service.name}`];
    case 'locked':
      return [...stuckText, `see who has the service now: sluice history ${service.name}`];
    case 'guard_refused':
      return [`bring another server up (sluice status ${service.upstream}), then: ${again}`];
    case 'unreachable':
      return [...stuckText, `start the control plane again (sluice serve), then: ${again}`];
    case 'registry_unreachable':
      return [...stuckText, `see that the registry answers, then: ${again}`];
    case 'timeout':
      return [...stuckText, `see why the control plane does not answer, then: ${again}`];
    case 'host_unreachable':
      return [
        ...stuckText,
        `see why the host does not answer (sluice doctor ${service.name}), then: ${again}`,
      ];
    case 'storage_full':
      return [...stuckText, `free some space (the reason names the file), then: ${again}`];
    case 'storage_failed':
      return [...stuckText, `see that the file can be written, then: ${again}`];
    case 'rollback_failed':
      return [
        ...logs,
        `act now: ${countText(instances, seen)}`,
        ...(remedies.length > 0 ? remedies : ['deploy a version that works']),
      ];
    default: {
      const parkedText = parked.map(
        (instance) => `${instance.instance} stays out of the pool until a deploy succeeds on it`,
      );
      return [
        ...logs,
        ...stuckText,
        ...parkedText,
        ...remedies,
        // Not the version's fault when somebody else holds its port.
        ...(held ? [] : ['fix it and deploy again']),
      ];
    }
  }
}

/**
 * The command that does the rest. `isWhole`: some instance was at the version already, which only
 * --force restarts, so that it begins with those that are finished, too.
 */
function sameCommand({ service, plan, options }: Story): {
  readonly isWhole: boolean;
  readonly again: string;
} {
  const isWhole = options.force && plan.instances.some(({ from }) => from === plan.version);
  const command = `sluice deploy ${service.name} --version ${plan.version}`;
  const force = isWhole ? ' --force' : '';
  const downtime = options.allowDowntime ? ' --allow-downtime' : '';
  return { isWhole, again: `${command}${force}${downtime}` };
}

/** What has to be put right besides the version; empty when only the version is to blame. */
function remediesOf(story: Story, seen: Survey): readonly string[] {
  const { service } = story;
  const held = seen.instances.filter((instance) => instance.stranger !== '');
  return [
    ...held.map(
      ({ address, stranger }) =>
        `port ${address.port} is held by ${stranger}; ${strangerAdvice(service)}`,
    ),
    ...(story.storage === null ? [] : [story.storage.reason]),
  ];
}

/** Counted by what the survey saw: one that is parked, stuck or not in the upstream serves nobody. */
function countText(instances: readonly InstanceResult[], seen: Survey): string {
  if (seen.trouble !== null) return 'how many instances take traffic is not known';
  const serving = instances.filter((instance) => instance.inPool).length;
  return `${serving} of ${instances.length} instances take traffic`;
}
