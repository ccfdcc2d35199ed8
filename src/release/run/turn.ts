// One instance's turn: the steps of its plan, each journaled before and after, and what a failure
// means. Before the old process was told to stop, the server just goes back into traffic; after it,
// the version that served last is brought back once, or the instance is parked. Other instances are
// never touched by it.

import { formatDuration } from '../../base/units.ts';
import type { PoolServer } from '../control.ts';
import { adoptProcess } from '../drivers/command.ts';
import { launchOf } from '../drivers/launch.ts';
import { backProblem } from '../drivers/pin.ts';
import { leftBehind } from '../drivers/stop.ts';
import type { Facts, Fate } from '../events.ts';
import { type InstanceRecord, writeRecord } from '../journal/instance-record.ts';
import { type InstancePlan, planRevert, type Step } from '../plan.ts';
import { type Failure, fail, type Outcome, runStep, type StepContext } from '../steps.ts';
import type { InstanceSurvey } from '../survey.ts';
import { pause } from '../wait.ts';
import { findDead, findFallen } from './fallen.ts';
import { type Session, troubleOf } from './session.ts';

/** Between two events `wait` of one step. */
const WAIT_EVENT_EVERY_MS = 1000;
const PARK_REASON_LENGTH = 200;

export class Turn {
  readonly #session: Session;
  readonly #plan: InstancePlan;
  readonly #found: InstanceSurvey;
  readonly #context: StepContext;
  readonly #startedMs = performance.now();
  /** The guard has given us the server. */
  #isHeld = false;
  /** The old process was told to stop, or a new one judged: there is no way back from there. */
  #isTouched = false;

  private constructor(
    session: Session,
    plan: InstancePlan,
    found: InstanceSurvey,
    context: StepContext,
  ) {
    this.#session = session;
    this.#plan = plan;
    this.#found = found;
    this.#context = context;
  }

  /** Null when the release may go on with the next instance. */
  static async run(
    session: Session,
    plan: InstancePlan,
    found: InstanceSurvey,
  ): Promise<Failure | null> {
    return new Turn(session, plan, found, await openContext(session, plan, found)).#run();
  }

  async #run(): Promise<Failure | null> {
    const { steps } = this.#plan;
    let next = 0;
    for (let step = steps[next]; step !== undefined; step = steps[next]) {
      const outcome = await this.#step(step, false);
      if (outcome.ok) next += 1;
      else if (outcome.code === 'breach') {
        await this.#putBack();
        this.#isHeld = false;
        next = 0;
      } else if (outcome.code === 'taken') {
        // At the admit it has passed its check; before that nothing is said of the version.
        this.#settle(step.kind === 'admit' ? 'released' : 'skipped', outcome.reason);
        return null;
      } else return this.#failed(step, outcome);
    }
    this.#settle('released', '');
    const { running } = this.#context;
    const takeBack = (failure: Failure): Promise<Failure> => this.#takeBack(failure);
    if (running !== null) this.#session.released.set(this.#plan.instance, { running, takeBack });
    return null;
  }

  /** The version failed here after its release: as if it had failed before, but the pool comes first. */
  async #takeBack(failure: Failure): Promise<Failure> {
    const { drainTimeoutMs, guardWaitMs } = this.#session.service;
    this.#session.released.delete(this.#plan.instance);
    this.#settle('failed', failure.reason);
    // It serves nobody, so taking it out costs nothing; one that is alive may still have requests.
    const out: readonly Step[] = [
      { kind: 'guard', need: null, waitMs: guardWaitMs, takeOver: '' },
      { kind: 'drain', timeoutMs: drainTimeoutMs, onTimeout: 'proceed', need: null },
    ];
    const none = async (): Promise<null> => null;
    this.#context.fallen = { find: none, findDead: none };
    for (const step of out) {
      const outcome = await this.#step(step, true);
      if (outcome.ok) continue;
      if (outcome.code === 'taken') return failure;
      this.#settle('stuck', outcome.reason);
      return failure;
    }
    return this.#goBack(failure);
  }

  /** One step with its journal records and events. A second interrupt ends the waiting for it. */
  async #step(step: Step, revert: boolean): Promise<Outcome> {
    const { instance } = this.#plan;
    const startedMs = performance.now();
    const say = (phase: 'start' | 'wait' | 'done' | 'failed', data: Facts): void => {
      const ms = Math.round(performance.now() - startedMs);
      this.#session.emit({ type: 'step', instance, step: step.kind, phase, ms, revert, data });
    };
    const write = (kind: 'intent' | 'done' | 'failed', data: Facts): Promise<void> =>
      this.#session.write({ kind, instance, step: step.kind, data: { revert, ...data } });
    await write('intent', {});
    if (this.#session.storage !== null && !this.#isTouched) return this.#session.storage;
    if (step.kind !== 'guard' && step.kind !== 'drain') this.#isTouched = true;
    say('start', stepFacts(step));
    let saidMs = startedMs;
    this.#context.wait = (data) => {
      if (performance.now() - saidMs < WAIT_EVENT_EVERY_MS) return;
      saidMs = performance.now();
      say('wait', data);
    };
    const { hard } = this.#session.options.interrupts;
    const outcome = await unlessAborted(hard, runStep(step, this.#context));
    this.#isHeld ||= outcome.ok;
    if (outcome.ok) {
      await write('done', outcome.data);
      say('done', outcome.data);
    } else {
      await write('failed', { code: outcome.code, reason: outcome.reason });
      say('failed', { reason: outcome.reason });
      // Its log, which is on our disk and not on the control plane's.
      if (step.kind === 'start' && outcome.code.startsWith('storage_')) {
        this.#session.storageFailed(outcome);
      }
    }
    return outcome;
  }

  async #failed(step: Step, failure: Failure): Promise<Failure> {
    const { hard } = this.#session.options.interrupts;
    if (!this.#isTouched) {
      const isChanged = this.#isHeld || failure.code === 'unreachable';
      const trouble = hard.aborted ? failure.reason : isChanged ? await this.#putBack() : '';
      this.#settle(trouble === '' ? 'untouched' : 'stuck', trouble);
      return failure;
    }
    if (hard.aborted) {
      this.#settle('stuck', failure.reason);
      return failure;
    }
    if (isNoVerdict(step, failure)) return this.#leave(failure, this.#session.options.version);
    this.#settle('failed', failure.left ?? failure.reason);
    if (failure.left !== undefined) return failure;
    return this.#goBack(failure);
  }

  /** The version that served last is brought back once; else the instance is parked. */
  async #goBack(failure: Failure): Promise<Failure> {
    const { hard } = this.#session.options.interrupts;
    const { proven } = this.#context.record;
    if (this.#session.service.onFailure === 'park' || proven === null) return this.#park(failure);
    const blocked = backProblem(proven);
    if (blocked !== '') {
      const reason = `${failure.reason}; then ${proven.version} could not be brought back: ${blocked}`;
      return this.#park(fail('rollback_failed', reason, failure.evidence));
    }
    const pid = this.#context.running?.process.pid ?? 0;
    for (const back of planRevert(this.#session.service, proven, pid)) {
      const outcome = await this.#step(back, true);
      if (outcome.ok) continue;
      if (hard.aborted) {
        this.#settle('stuck', outcome.reason);
        return outcome;
      }
      if (outcome.code === 'taken') {
        this.#settle(back.kind === 'admit' ? 'reverted' : 'skipped', outcome.reason);
        return failure;
      }
      // Both often die of the same: what both say is said once.
      const evidence = [...new Set([...failure.evidence, ...outcome.evidence])];
      if (isNoVerdict(back, outcome)) {
        const reason = `${failure.reason}; then ${proven.version} was not admitted: ${outcome.reason}`;
        return this.#leave({ ...outcome, reason, evidence }, proven.version);
      }
      const code = outcome.code === 'unreachable' ? 'unreachable' : 'rollback_failed';
      const both = `${failure.reason}; then ${proven.version} could not be brought back: ${outcome.reason}`;
      if (outcome.left === undefined) return this.#park(fail(code, both, evidence));
      this.#settle('failed', outcome.left);
      return fail(code, both, evidence);
    }
    this.#settle('reverted', `${this.#session.options.version} failed`);
    return failure;
  }

  /** A process that nothing speaks against runs on, drained; the next deploy judges and admits it. */
  #leave(failure: Failure, version: string): Failure {
    this.#settle('stuck', `runs ${version}, not admitted`);
    return failure;
  }

  /** Keeps the server out of traffic until a person, or the next release, takes it up. */
  async #park(failure: Failure): Promise<Failure> {
    await this.#stopLeftBehind();
    const reason = `release ${this.#session.release}: ${failure.reason}`;
    const trouble = await this.#setAdmin('maint', reason.slice(0, PARK_REASON_LENGTH));
    await this.#note({ parked: trouble === '', trouble });
    this.#settle(trouble === '' ? 'parked' : 'stuck', trouble);
    return failure;
  }

  /** A process that is alive is parked as it is, to be looked at; but not what a dead one has left. */
  async #stopLeftBehind(): Promise<void> {
    const { service } = this.#session;
    const leader = this.#context.running?.process;
    if (leader === undefined) return;
    const left = await leftBehind(service, this.#plan.instance, leader);
    if (left.length === 0) return;
    await this.#step({ kind: 'stop', timeoutMs: service.stopTimeoutMs, pid: leader.pid }, true);
  }

  /** Undoes guard and drain: the server is again what it was. Why not, or ''. */
  async #putBack(): Promise<string> {
    const admin = this.#found.server?.admin;
    const before = admin?.state ?? 'ready';
    const state = this.#plan.serving ? 'ready' : before;
    const trouble = await this.#setAdmin(state, state === 'ready' ? '' : (admin?.reason ?? ''));
    await this.#note({ put_back: state, trouble });
    return trouble;
  }

  #setAdmin(state: 'ready' | 'drain' | 'maint', reason: string): Promise<string> {
    const { control, owner, service } = this.#session;
    const change = { state, owner, reason, ifOwner: owner };
    return troubleOf(() => control.setAdmin(service.upstream, this.#plan.instance, change));
  }

  #note(data: Facts): Promise<void> {
    return this.#session.write({ kind: 'note', instance: this.#plan.instance, data });
  }

  #settle(fate: Fate, note: string): void {
    const ms = performance.now() - this.#startedMs;
    this.#session.settle(this.#plan.instance, fate, note, ms);
  }
}

async function openContext(
  session: Session,
  plan: InstancePlan,
  found: InstanceSurvey,
): Promise<StepContext> {
  const { service, control, release, owner } = session;
  const { instance } = plan;
  const { process, address } = found;
  const save = (record: InstanceRecord): Promise<void> =>
    session.keep(() => writeRecord(service, instance, record));
  // What serves now is what a revert brings back: written down while nothing has changed yet.
  const proven = plan.serving && process !== null ? process.launch : found.record.proven;
  const record = { process, proven };
  session.keepSecret(process?.launch ?? null);
  session.keepSecret(proven);
  session.keepSecret(launchOf(service, address, session.options.version));
  await save(record);
  const running = process === null ? null : await adoptProcess(service, instance, process);
  const { soft } = session.options.interrupts;
  const look: StepContext['look'] = async () => {
    let server: PoolServer | undefined | null = null;
    await troubleOf(async () => {
      const { upstreams } = await session.options.control.status();
      const upstream = upstreams.find(({ name }) => name === service.upstream);
      server = upstream?.servers.find(({ id }) => id === instance);
    });
    return server;
  };
  const context: StepContext = {
    ...{ service, instance, address, control, release, owner, soft, save, record, running, look },
    wait: () => {},
    guardWaitedMs: 0,
    fallen: {
      find: () => findFallen(session, (data) => context.wait(data)),
      findDead: () => findDead(session),
    },
  };
  return context;
}

async function unlessAborted(hard: AbortSignal, step: Promise<Outcome>): Promise<Outcome> {
  const settled = new AbortController();
  const stopped = (async (): Promise<Outcome> => {
    while (!hard.aborted && !settled.signal.aborted) await pause(60_000, hard, settled.signal);
    return fail('interrupted', 'interrupted twice: stopped at once');
  })();
  try {
    return await Promise.race([step, stopped]);
  } finally {
    settled.abort();
  }
}

/**
 * The control plane could not be asked or could not write, which says nothing against a process that
 * has answered well. To kill it for that would put the instance where the same call fails again.
 */
function isNoVerdict(step: Step, failure: Failure): boolean {
  return (step.kind === 'check' || step.kind === 'admit') && failure.code !== 'release_failed';
}

/** What is worth saying when a step begins. */
function stepFacts(step: Step): Facts {
  switch (step.kind) {
    case 'guard':
      return step.need === null ? {} : { need: step.need };
    case 'drain':
      return { deadline: formatDuration(step.timeoutMs), on_timeout: step.onTimeout };
    case 'stop':
      return { pid: step.pid, deadline: formatDuration(step.timeoutMs) };
    case 'start':
      return { version: step.version, command: step.argv.join(' ') };
    case 'check':
      return { path: step.path, rise: step.rise, deadline: formatDuration(step.deadlineMs) };
    case 'admit':
      return {};
  }
}
