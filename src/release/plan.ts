// The plan: what a release will do, as data, computed from the service's configuration and a survey.
// No I/O and no clock: `sluice plan` prints it and `sluice deploy` carries out exactly its steps.
//
// One instance after the other. Those that take no traffic come first, because releasing them costs
// nothing; then the others in the order of the configuration.
//
//   found                                    steps
//   held by a person                         none: skipped, stays as it is
//   at the version, healthy, in the pool     none: kept
//   at the version, healthy, left behind     guard check admit
//   the same in the pool, not verified       verify
//   running, takes traffic                   guard(need) drain stop start check admit
//   running, takes no traffic                guard drain stop start check admit
//   not running                              guard start check admit
//   not in the upstream                      register, and the steps above
//   not in the list any more                 guard(need) drain stop deregister
//
// With an artifact, activate stands before start; a hook before_stop before stop, one after_start before
// admit; with `verify` configured, admit is followed by it. Where the release waits for a person is said
// beside the steps of the instance that comes next.

import { isPartial, notHeard } from '../base/scope.ts';
import { formatDuration } from '../base/units.ts';
import type { ServiceConfig, ServiceInstance } from '../config.ts';
import { ownerText } from '../model.ts';
import { linkFor, releaseOf } from './artifact.ts';
import { isInPool, isServing } from './control.ts';
import { withApprovals } from './plan/approval.ts';
import { afterStartSteps, beforeStopSteps } from './plan/hooks.ts';
import { canRegister, inOrder, NOT_LISTED, retireSteps } from './plan/membership.ts';
import { problemsOf, warningsOf } from './plan/problems.ts';
import { planStop } from './plan/stop.ts';
import type { InstancePlan, LaunchAt, Plan, PlanOptions, Step } from './plan/types.ts';
import { absence, holder } from './plan/words.ts';
import { type InstanceSurvey, type Survey } from './survey.ts';

export { addAdvice, strangerAdvice } from './plan/problems.ts';
export type {
  ApprovalPlan,
  InstancePlan,
  Plan,
  PlanOptions,
  Step,
  StepKind,
} from './plan/types.ts';

export function planRelease(service: ServiceConfig, found: Survey, options: PlanOptions): Plan {
  const { version } = options;
  const primaries = found.servers.filter((server) => !server.backup);
  const percent = Math.ceil((service.minHealthyPercent * primaries.length) / 100);
  const need = options.allowDowntime ? 0 : Math.max(1, service.minHealthy, percent);
  const eligible = new Set(found.servers.filter(isServing).map((server) => server.id));
  const plans: InstancePlan[] = [];
  for (const instance of inOrder(found.instances)) {
    const peers = found.instances
      .filter(({ id }) => id !== instance.id && !plans.some((done) => done.instance === id))
      .filter((other) => other.version !== version || options.force)
      .map(({ id }) => id);
    const plan = planInstance({ service, instance, need, eligible, peers, found, options });
    plans.push(plan);
    if (plan.action === 'release') eligible.add(instance.id);
    if (plan.action === 'retire') eligible.delete(instance.id);
  }
  const instances = withApprovals(service, plans, options);
  const problems = problemsOf(service, found, instances, options);
  return {
    service: service.name,
    upstream: service.upstream,
    version,
    scope: found.scope,
    from: [...new Set(found.instances.map((instance) => instance.version))].filter(Boolean),
    eligible: found.servers.filter(isServing).length,
    servers: found.servers.length,
    need,
    inFlight: found.servers.reduce((sum, server) => sum + server.inFlight, 0),
    onFailure: service.onFailure,
    instances,
    problems,
    notes: notesOf(service, found, plans, { ...options, isRefused: problems.length > 0 }),
    lastTookMs: found.history.find((past) => past.outcome === 'succeeded')?.tookMs ?? 0,
  };
}

/** What brings a failed instance back: the same kinds of step, with the launch that last served. */
export function planRevert(
  service: ServiceConfig,
  instance: ServiceInstance,
  proven: LaunchAt,
  pid: number,
): readonly Step[] {
  const release = [proven.cwd, ...proven.argv].map(releaseOf).find(Boolean) ?? '';
  return [
    { kind: 'stop', timeoutMs: service.stopTimeoutMs, pid },
    ...activateSteps(service, instance, release),
    startStep(proven, 'proven'),
    checkStep(service, proven.version),
    { kind: 'admit' },
  ];
}

function planInstance(options: {
  readonly service: ServiceConfig;
  readonly instance: InstanceSurvey;
  readonly need: number;
  readonly eligible: ReadonlySet<string>;
  /** Those that have the old version when this one is released. */
  readonly peers: readonly string[];
  readonly found: Survey;
  readonly options: PlanOptions;
}): InstancePlan {
  const { service, instance, need, eligible, found } = options;
  const { version, kind, resume = '' } = options.options;
  const { process, server, left } = instance;
  // What an earlier runner of this release has started is not started again.
  const force = options.options.force && (resume === '' || process?.release !== resume);
  const atVersion = process !== null && instance.answer.ok && instance.version === version;
  const isReady = server?.admin.state === 'ready';
  const takesTraffic = process !== null && server !== undefined && isInPool(server);
  const leaves = takesTraffic ? [...eligible].filter((id) => id !== instance.id).length : null;
  // What an ended release started and never admitted has not proven anything.
  const serving =
    process !== null &&
    instance.answer.ok &&
    process.isKnown &&
    (isReady || process.release !== left);
  const last = serving ? process?.launch.version : instance.record.proven?.version;
  const noWayBack =
    last === undefined ? '' : serving ? instance.wayBack.running : instance.wayBack.proven;
  const why = noWayBack === '' ? '' : `no way back to ${last}: ${noWayBack}`;
  const base = {
    instance: instance.id,
    from: instance.version,
    leaves,
    serving,
    fallback: noWayBack === '' ? (last ?? '') : '',
    noWayBack: why,
  };
  if (instance.isUnknown === true) {
    return { ...base, leaves: null, action: 'skip', why: 'its host cannot be asked', steps: [] };
  }
  const person = server === undefined ? '' : holder(server, left);
  if (person !== '') {
    return { ...base, leaves: null, action: 'skip', why: person, steps: [] };
  }
  if (kind === 'stop') {
    const reason = takesTraffic ? '' : absence(instance, options.found);
    return planStop(service, instance, { ...base, why: reason });
  }
  const guard: Step = {
    kind: 'guard',
    need: takesTraffic ? need : null,
    waitMs: service.guardWaitMs,
    takeOver: left === '' ? '' : ownerText({ kind: 'release', id: left }),
  };
  if (instance.isRetired === true) {
    return {
      ...base,
      action: 'retire',
      why: NOT_LISTED,
      steps: retireSteps(service, instance, guard),
    };
  }
  if (atVersion && isReady && !force) {
    if (options.options.unverified?.has(instance.id) && service.verify !== null) {
      return verifyAgain(base, instance, verifySteps(service, need, options.peers));
    }
    return { ...base, leaves: null, action: 'keep', why: `already at ${version}`, steps: [] };
  }
  // The release writes the record of one that is new.
  const isNew = server === undefined && canRegister(service, found);
  const first: readonly Step[] = isNew ? [{ kind: 'register' }, guard] : [guard];
  const { cwd } = instance.wanted;
  const arrive: readonly Step[] = [
    checkStep(service, version),
    ...afterStartSteps(service, cwd),
    { kind: 'admit' },
    // Who goes back is in a hurry, and what runs beside it is what was bad.
    ...(kind === 'rollback' ? [] : verifySteps(service, need, options.peers)),
  ];
  if (atVersion && !force) {
    const why = isNew
      ? `at ${version}, new in the upstream`
      : `at ${version}, held by ${left} that did not finish`;
    return { ...base, action: 'release', why, steps: [...first, ...arrive] };
  }
  const start = [
    ...activateSteps(service, instance, service.artifact?.release ?? ''),
    startStep({ version, ...instance.wanted }, 'config'),
  ];
  if (process === null) {
    const why = isNew ? 'not running, new in the upstream' : 'not running';
    return { ...base, action: 'release', why, steps: [...first, ...start, ...arrive] };
  }
  const drain: Step = {
    kind: 'drain',
    timeoutMs: service.drainTimeoutMs,
    onTimeout: service.drainOnTimeout,
    need: guard.need,
  };
  const before = beforeStopSteps(service, cwd, guard.need);
  const stop: Step = { kind: 'stop', timeoutMs: service.stopTimeoutMs, pid: process.pid };
  return {
    ...base,
    action: 'release',
    why: takesTraffic ? '' : absence(instance, options.found),
    steps: [...first, drain, ...before, stop, ...start, ...arrive],
  };
}

/**
 * The runner died while it was watched: nobody has judged it, and it has not proven anything. What served
 * before it is what a revert brings back.
 */
function verifyAgain(
  base: Omit<InstancePlan, 'action' | 'why' | 'steps'>,
  { record, wayBack }: InstanceSurvey,
  steps: readonly Step[],
): InstancePlan {
  const last = record.proven?.version ?? '';
  const noWayBack = wayBack.proven === '' ? '' : `no way back to ${last}: ${wayBack.proven}`;
  const fallback = noWayBack === '' ? last : '';
  const why = `at ${base.from}, and its verify was not over`;
  return { ...base, serving: false, fallback, noWayBack, action: 'release', why, steps };
}

function startStep(launch: LaunchAt, origin: 'config' | 'proven'): Step {
  return { kind: 'start', origin, ...launch };
}

/** None without an artifact, or when it is not known what it will be. */
function activateSteps(
  { artifact }: ServiceConfig,
  instance: ServiceInstance,
  release: string,
): readonly Step[] {
  if (artifact === null || release === '') return [];
  const link = linkFor(artifact, instance);
  return [{ kind: 'activate', path: artifact.path, link, release }];
}

function checkStep(service: ServiceConfig, version: string): Step {
  return {
    kind: 'check',
    version,
    path: service.checkPath,
    intervalMs: service.checkIntervalMs,
    timeoutMs: service.checkTimeoutMs,
    rise: service.checkRise,
    deadlineMs: service.checkDeadlineMs,
    stableMs: service.checkStableMs,
    versionHeader: service.versionHeader,
  };
}

function verifySteps(
  service: ServiceConfig,
  need: number,
  peers: readonly string[],
): readonly Step[] {
  const { verify, guardWaitMs } = service;
  return verify === null ? [] : [{ kind: 'verify', ...verify, peers, need, waitMs: guardWaitMs }];
}

function notesOf(
  service: ServiceConfig,
  found: Survey,
  plans: readonly InstancePlan[],
  options: PlanOptions & { readonly isRefused: boolean },
): readonly string[] {
  const notes: string[] = [...warningsOf(found, plans)];
  const last = found.history.find((past) => past.over);
  if (last !== undefined && last.outcome === '') {
    const at = last.lastStep === '' ? 'before its first step' : `in ${last.lastStep}`;
    notes.push(`release ${last.id} to ${last.version} died ${at} (${last.runner})`);
  }
  for (const instance of found.instances) {
    if (instance.left === '') continue;
    const state = instance.server?.admin.state ?? '';
    const held = `${instance.id} is in ${state} by release ${instance.left}, which is over`;
    notes.push(options.isRefused ? held : `${held}: taken over`);
  }
  for (const plan of plans) {
    const guard = plan.steps.find((step) => step.kind === 'guard');
    if (guard?.need != null && plan.leaves !== null && plan.leaves < guard.need) {
      notes.push(
        `${plan.instance} would leave ${plan.leaves} eligible (need ${guard.need}): ` +
          `waits up to ${formatDuration(guard.waitMs)} for another server to come up`,
      );
    }
    const isReleased = plan.action === 'release';
    if (plan.noWayBack !== '' && isReleased && service.onFailure !== 'park') {
      notes.push(
        `${plan.instance}: ${plan.noWayBack}; if ${options.version} fails there, the instance is parked`,
      );
    }
    if (plan.action === 'keep' && isOutdated(found, plan.instance)) {
      notes.push(
        `${plan.instance} runs ${options.version} by another command or environment; use --force to restart it`,
      );
    }
  }
  if (found.scope !== null && isPartial(found.scope)) {
    notes.push(
      `${notHeard(found.scope)}: they may still send an instance requests when it is stopped, and those are not counted`,
    );
  }
  if (service.versionHeader === '') {
    notes.push('no expect_version: a process that answers is believed to be the new version');
  }
  return notes;
}

function isOutdated(found: Survey, id: string): boolean {
  const running = found.instances.find((candidate) => candidate.id === id)?.process;
  return running?.isKnown === true && !running.isAsConfigured;
}
