// What each step does. A step gets its data from the plan and its surroundings from the context, and
// returns what came of it as a value: the run decides what a failure means. Steps write no journal.

import { type ErrorCode, isSluiceError, messageOf } from '../base/errors.ts';
import { isShared, type Scope } from '../base/scope.ts';
import { type Address, formatDuration } from '../base/units.ts';
import type { ServiceConfig } from '../config.ts';
import { isServing, type PoolServer, type ReleaseControl } from './control.ts';
import { logEvidence, type Running, startInstance } from './drivers/command.ts';
import { launchOf } from './drivers/launch.ts';
import { stopFacts, stopInstance } from './drivers/stop.ts';
import type { Facts } from './events.ts';
import type { InstanceRecord } from './journal/instance-record.ts';
import type { Step } from './plan.ts';
import { checkInstance, GONE_AFTER_MS, gone } from './steps/check.ts';
import { claimOn } from './steps/claim.ts';
import { pause } from './wait.ts';

/**
 * `taken`: a person or another release has the server now, and it is left to them. `breach`: while
 * the server drained, too few others were left; it goes back, and the guard is asked again. `gone`:
 * the upstream does not have the server any more.
 */
export type Failure = {
  readonly ok: false;
  readonly code: ErrorCode | 'interrupted' | 'taken' | 'breach' | 'gone';
  readonly reason: string;
  readonly evidence: readonly string[];
  /** An instance released before, which this is about; absent: the instance of the step. */
  readonly fallen?: string;
  /** A person has put the instance into traffic meanwhile: it failed, and is not touched. */
  readonly left?: string;
};

export type Outcome = { readonly ok: true; readonly data: Facts } | Failure;

/** One instance under release. What is not readonly changes as the steps go on. */
export type StepContext = {
  readonly service: ServiceConfig;
  readonly instance: string;
  readonly address: Address;
  readonly control: ReleaseControl;
  readonly release: string;
  readonly owner: string;
  /** Aborted when the release is asked to stop at a safe point. */
  readonly soft: AbortSignal;
  /** Says what is being waited for. */
  wait: (data: Facts) => void;
  /** Keeps the record; never throws, a full disk is dealt with at the end of the instance. */
  readonly save: (record: InstanceRecord) => Promise<void>;
  /** The server now; undefined when it is gone, null when the control plane cannot be asked. */
  readonly look: () => Promise<PoolServer | undefined | null>;
  /** Instances released before that do not stand any more: a reason not to touch this one. */
  fallen: { find: () => Promise<Failure | null>; findDead: () => Promise<Failure | null> };
  record: InstanceRecord;
  running: Running | null;
  /** Time already spent waiting for the guard, ms. */
  guardWaitedMs: number;
};

/** How often the guard is asked again, and a drain looks at the rest of the pool. */
const LOOK_EVERY_MS = 500;
/** How often an admitted server is looked at. */
const ADMIT_POLL_MS = 50;
/** How long an admitted server may take until all workers send it requests. */
const ADMIT_DEADLINE_MS = 15_000;

export async function runStep(step: Step, context: StepContext): Promise<Outcome> {
  try {
    switch (step.kind) {
      case 'guard':
        return await guard(step, context);
      case 'drain':
        return await drain(step, context);
      case 'stop':
        return await stop(step, context);
      case 'start':
        return await start(step, context);
      case 'check':
        return await check(step, context);
      case 'admit':
        return await admit(context);
    }
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    if (error.code === 'conflict') return fail('taken', messageOf(error));
    if (error.code === 'not_found') return gone(context.service.upstream);
    return fail(error.code, messageOf(error));
  }
}

export function fail(
  code: Failure['code'],
  reason: string,
  evidence: readonly string[] = [],
): Failure {
  return { ok: false, code, reason, evidence };
}

/** The guard is evaluated by the control plane, in one piece with the write that drains. */
async function guard(step: Step & { kind: 'guard' }, context: StepContext): Promise<Outcome> {
  const { service, instance, control, owner, soft } = context;
  for (;;) {
    if (soft.aborted) return fail('interrupted', 'interrupted before anything was changed');
    const fallen = await context.fallen.find();
    if (fallen !== null) return fallen;
    try {
      const state = await control.setAdmin(service.upstream, instance, {
        state: 'drain',
        owner,
        reason: `release ${context.release}`,
        ifOwner: step.takeOver === '' ? owner : step.takeOver,
        ...(step.need === null ? {} : { keepEligible: step.need }),
      });
      return { ok: true, data: { in_flight: state.inFlight } };
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      // A repeated call, whose first answer was lost on the way, finds the server ours already.
      if (error.code === 'conflict' && (await isOurs(context))) {
        return { ok: true, data: {} };
      }
      if (error.code !== 'guard_refused') throw error;
      if (context.guardWaitedMs >= step.waitMs) {
        const waited = formatDuration(step.waitMs);
        return fail('guard_refused', `${messageOf(error)} (waited ${waited})`);
      }
      context.wait({ for: 'capacity', refused: messageOf(error) });
    }
    const waitMs = Math.min(LOOK_EVERY_MS, step.waitMs - context.guardWaitedMs);
    await pause(waitMs, soft);
    context.guardWaitedMs += waitMs;
  }
}

/** Over when every worker has acknowledged and nothing is in flight, not after a time. */
async function drain(step: Step & { kind: 'drain' }, context: StepContext): Promise<Outcome> {
  const { service, instance, control, soft } = context;
  const deadlineMs = performance.now() + step.timeoutMs;
  for (;;) {
    if (soft.aborted) return fail('interrupted', 'interrupted while draining');
    const leftMs = Math.max(0, deadlineMs - performance.now());
    const sliceMs = Math.min(LOOK_EVERY_MS, leftMs);
    const askedMs = performance.now();
    const state = await control.awaitIdle(service.upstream, instance, Math.ceil(sliceMs));
    const earlyMs = sliceMs - (performance.now() - askedMs);
    const { admin } = state;
    const claim = claimOn(admin, context.owner);
    if (claim !== '') return fail('taken', `${claim} while it drained`);
    const dead = await context.fallen.findDead();
    if (dead !== null) return dead;
    if (step.need !== null) {
      const serving = await othersServing(context);
      if (serving < step.need) {
        return fail('breach', `only ${serving} other servers eligible (need ${step.need})`);
      }
    }
    if (state.idle) return { ok: true, data: { cut: 0, ...others(state.scope) } };
    if (leftMs > 0) {
      context.wait({ in_flight: state.inFlight, acknowledged: state.acknowledged });
      // A daemon that shuts down waits no more: the question is not asked in a busy loop.
      if (earlyMs > 0) await pause(earlyMs, soft);
      continue;
    }
    const waited = formatDuration(step.timeoutMs);
    if (step.onTimeout === 'proceed') {
      return { ok: true, data: { cut: state.inFlight, waited, ...others(state.scope) } };
    }
    return fail(
      'release_failed',
      `drain not over after ${waited}: ${state.inFlight} in flight` +
        `${state.acknowledged ? '' : ', not acknowledged by every worker'} (drain.on_timeout: halt)`,
    );
  }
}

async function stop(step: Step & { kind: 'stop' }, context: StepContext): Promise<Outcome> {
  const { service, address, record } = context;
  const running = context.running?.process ?? null;
  const { timeoutMs } = step;
  const server = await context.look();
  const claim = server == null ? '' : claimOn(server.admin, context.owner);
  if (claim !== '') return fail('taken', `${claim} before it was stopped`);
  const { wait } = context;
  const outcome = await stopInstance({ service, address, process: running, timeoutMs, wait });
  if (outcome.trouble !== '') return fail('release_failed', outcome.trouble);
  context.running = null;
  context.record = { ...record, process: null };
  await context.save(context.record);
  return { ok: true, data: stopFacts(outcome) };
}

async function start(step: Step & { kind: 'start' }, context: StepContext): Promise<Outcome> {
  const { service, instance, address, release, record } = context;
  const launch =
    step.origin === 'proven' && record.proven !== null
      ? record.proven
      : launchOf(service, address, step.version);
  context.running = await startInstance({ service, instance, launch, release });
  context.record = { ...record, process: context.running.process };
  await context.save(context.record);
  return { ok: true, data: { pid: context.running.process.pid } };
}

async function check(step: Step & { kind: 'check' }, context: StepContext): Promise<Outcome> {
  const { service, instance, running } = context;
  if (running === null) return fail('release_failed', 'no process to check');
  const result = await checkInstance({
    ...step,
    service,
    instance,
    address: context.address,
    running,
    owner: context.owner,
    server: async () => (await servers(context)).find((server) => server.id === instance),
    look: context.look,
    wait: context.wait,
  });
  if (result.ok) return result;
  const log = await logEvidence(service, instance, running);
  return { ...result, evidence: [...result.evidence, ...log] };
}

/** Back into traffic, but only what is ours; over when every worker may pick it. */
async function admit(context: StepContext): Promise<Outcome> {
  const { service, instance, control, owner } = context;
  const change = { state: 'ready', owner, reason: '', ifOwner: owner } as const;
  const { generation } = await control.setAdmin(service.upstream, instance, change);
  const startedMs = performance.now();
  let seenMs = startedMs;
  for (;;) {
    const ended = context.running?.ended() ?? '';
    if (ended !== '')
      return fail('release_failed', `process ${ended} after it had passed its check`);
    const status = await control.status();
    const upstream = status.upstreams.find((candidate) => candidate.name === service.upstream);
    const server = upstream?.servers.find((candidate) => candidate.id === instance);
    const behind = status.workers.filter((worker) => worker.generation < generation).length;
    if (behind === 0 && server !== undefined && isServing(server)) {
      return { ok: true, data: others(status.scope) };
    }
    if (server !== undefined && server.admin.state !== 'ready') {
      const { state, owner: other } = server.admin;
      return fail('taken', `healthy, but left in ${state} by ${other === '' ? 'somebody' : other}`);
    }
    const nowMs = performance.now();
    if (server !== undefined) seenMs = nowMs;
    else if (nowMs - seenMs >= GONE_AFTER_MS) return gone(service.upstream);
    const eligibility = server?.eligibility ?? 'gone';
    if (nowMs - startedMs > ADMIT_DEADLINE_MS) {
      const reason = `not in traffic ${formatDuration(ADMIT_DEADLINE_MS)} after it was admitted`;
      return fail('release_failed', `${reason}: ${eligibility}, ${behind} workers behind`);
    }
    context.wait({ eligibility, workers_behind: behind });
    await pause(ADMIT_POLL_MS);
  }
}

/** A step's word holds on one gateway; that there may be others stands beside it. */
function others(scope: Scope): Facts {
  return isShared(scope) ? { other_gateways: 'not asked' } : {};
}

async function isOurs(context: StepContext): Promise<boolean> {
  const server = (await servers(context)).find((candidate) => candidate.id === context.instance);
  return server?.admin.state === 'drain' && server.admin.owner === context.owner;
}

async function othersServing(context: StepContext): Promise<number> {
  const others = (await servers(context)).filter((server) => server.id !== context.instance);
  return others.filter(isServing).length;
}

async function servers(context: StepContext): Promise<readonly PoolServer[]> {
  const { upstreams } = await context.control.status();
  return upstreams.find((upstream) => upstream.name === context.service.upstream)?.servers ?? [];
}
