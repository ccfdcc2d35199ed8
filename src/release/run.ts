// A release from its lock to its last word: plan, then the plan's steps, one instance after the
// other, each step journaled before and after. What a failure means is decided here: before the old
// process was told to stop, the server just goes back into traffic; after it, the old version is
// brought back once, or the instance is parked; the other instances are never touched by it.

import { type ErrorCode, isSluiceError, messageOf } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { ServiceConfig } from '../config.ts';
import { adoptProcess } from './command.ts';
import { isServing, type Receipt, type ReleaseControl } from './control.ts';
import type { EventBody, Facts, Fate, ReleaseEvent, ReleaseResult } from './events.ts';
import { type Journal, type JournalRecord, openJournal } from './journal.ts';
import { patient } from './patience.ts';
import { type InstancePlan, type Plan, planRelease, planRevert, type Step } from './plan.ts';
import { type InstanceRecord, writeRecord } from './record.ts';
import { describeResult, type Story } from './result.ts';
import { type Failure, fail, type Outcome, runStep, type StepContext } from './steps.ts';
import { type InstanceSurvey, OWNER_PREFIX, type Survey, survey } from './survey.ts';
import { type Interrupts, pause } from './wait.ts';

export type ReleaseOptions = {
  readonly service: ServiceConfig;
  readonly version: string;
  readonly control: ReleaseControl;
  readonly force: boolean;
  readonly allowDowntime: boolean;
  readonly interrupts: Interrupts;
  /** Called for each event, in order; must not throw. */
  readonly onEvent: (event: ReleaseEvent) => void;
  /** How long a control plane that is away is waited for; default 30 s. */
  readonly patienceMs?: number;
};

const PATIENCE_MS = 30_000;
/** Between two events `wait` of one step, and between two looks at the traffic. */
const WAIT_EVENT_EVERY_MS = 1000;

/** @throws locked while another release of the service runs; storage_full, storage_failed at the start */
export async function runRelease(options: ReleaseOptions): Promise<ReleaseResult> {
  const journal = await openJournal(options.service, options.version);
  try {
    return await new Run(options, journal).run();
  } finally {
    await journal.close();
  }
}

/** What is done to one instance, and how far it has come. */
type Turn = {
  readonly plan: InstancePlan;
  readonly found: InstanceSurvey;
  readonly context: StepContext;
  /** True when the guard has given us the server. */
  isHeld: boolean;
  /** True from the moment at which the old process is told to stop: there is no way back then. */
  isTouched: boolean;
};

class Run {
  readonly #options: ReleaseOptions;
  readonly #service: ServiceConfig;
  readonly #control: ReleaseControl;
  readonly #journal: Journal;
  readonly #owner: string;
  readonly #startedMs = performance.now();
  readonly #fates = new Map<string, { fate: Fate; note: string }>();
  #receipt: Receipt | null = null;
  /** The first write of a journal or record that failed: no further instance is begun. */
  #storage: Failure | null = null;

  constructor(options: ReleaseOptions, journal: Journal) {
    this.#options = options;
    this.#service = options.service;
    this.#journal = journal;
    this.#owner = `${OWNER_PREFIX}${journal.id}`;
    this.#control = patient(options.control, {
      patienceMs: options.patienceMs ?? PATIENCE_MS,
      stop: options.interrupts.soft,
    });
  }

  async run(): Promise<ReleaseResult> {
    const { service, version, interrupts } = this.#options;
    const found = await survey({
      service,
      version,
      control: this.#options.control,
      self: this.#journal.id,
    });
    const plan = planRelease(service, found, this.#options);
    await this.#write({ kind: 'plan', data: { plan } });
    this.#emit({ type: 'plan', plan });
    for (const text of plan.notes) this.#emit({ type: 'note', instance: '', text });
    const [problem] = plan.problems;
    if (problem !== undefined) return this.#finish(plan, fail(problem.code, problem.message), true);
    for (const entry of plan.instances) {
      if (entry.action === 'keep') this.#settle(entry.instance, 'kept', entry.why);
      if (entry.action === 'skip') this.#settle(entry.instance, 'skipped', entry.why);
    }
    const turns = plan.instances.filter((entry) => entry.action === 'release');
    if (turns.length === 0) return this.#finish(plan, null);
    const stopWatching = await this.#watchTraffic(plan);
    let failure: Failure | null = null;
    for (const entry of turns) {
      failure = interrupts.soft.aborted ? fail('interrupted', 'interrupted') : this.#storage;
      if (failure !== null) break;
      failure = await this.#instance(entry, found);
      if (failure !== null) break;
    }
    await stopWatching();
    return this.#finish(plan, failure ?? this.#storage);
  }

  /** Null when the release may go on with the next instance. */
  async #instance(plan: InstancePlan, all: Survey): Promise<Failure | null> {
    const found = all.instances.find((candidate) => candidate.id === plan.instance);
    if (found === undefined) throw new Error(`instance ${plan.instance} is not in the survey`);
    const startedMs = performance.now();
    const context = await this.#context(plan, found);
    const turn: Turn = { plan, found, context, isHeld: false, isTouched: false };
    let next = 0;
    for (let step = plan.steps[next]; step !== undefined; step = plan.steps[next]) {
      const outcome = await this.#step(step, turn, false);
      if (outcome.ok) next += 1;
      else if (outcome.code === 'breach') {
        await this.#putBack(turn);
        turn.isHeld = false;
        next = 0;
      } else if (outcome.code === 'taken') {
        const fate = turn.isTouched ? 'released' : 'skipped';
        this.#settle(plan.instance, fate, outcome.reason, performance.now() - startedMs);
        return null;
      } else return this.#failed(turn, outcome, performance.now() - startedMs);
    }
    this.#settle(plan.instance, 'released', '', performance.now() - startedMs);
    return null;
  }

  async #context(plan: InstancePlan, found: InstanceSurvey): Promise<StepContext> {
    const { service } = this.#options;
    const instance = plan.instance;
    const save = async (record: InstanceRecord): Promise<void> => {
      await this.#keepGoing(() => writeRecord(service, instance, record));
    };
    // What serves now is what a revert brings back: written down while nothing has changed yet.
    const proven =
      plan.serving && found.process !== null ? found.process.launch : found.record.proven;
    const record = { process: found.process, proven };
    await save(record);
    return {
      service,
      instance,
      address: found.address,
      control: this.#control,
      release: this.#journal.id,
      owner: this.#owner,
      soft: this.#options.interrupts.soft,
      wait: () => {},
      save,
      record,
      running: found.process === null ? null : await adoptProcess(service, instance, found.process),
      guardWaitedMs: 0,
    };
  }

  /** One step with its journal records and events. A second interrupt ends the waiting for it. */
  async #step(step: Step, turn: Turn, revert: boolean): Promise<Outcome> {
    const { context } = turn;
    const { instance } = context;
    const startedMs = performance.now();
    const say = (phase: 'start' | 'wait' | 'done' | 'failed', data: Facts): void => {
      const ms = Math.round(performance.now() - startedMs);
      this.#emit({ type: 'step', instance, step: step.kind, phase, ms, revert, data });
    };
    await this.#write({ kind: 'intent', instance, step: step.kind, data: { revert } });
    if (this.#storage !== null && !turn.isTouched) return this.#storage;
    if (step.kind !== 'guard' && step.kind !== 'drain') turn.isTouched = true;
    say('start', stepFacts(step));
    let saidMs = startedMs;
    const wait = (data: Facts): void => {
      if (performance.now() - saidMs < WAIT_EVENT_EVERY_MS) return;
      saidMs = performance.now();
      say('wait', data);
    };
    const outcome = await this.#unlessHard(runStep(step, Object.assign(context, { wait })));
    turn.isHeld ||= outcome.ok;
    if (outcome.ok) {
      await this.#write({
        kind: 'done',
        instance,
        step: step.kind,
        data: { revert, ...outcome.data },
      });
      say('done', outcome.data);
    } else {
      const data = { revert, code: outcome.code, reason: outcome.reason };
      await this.#write({ kind: 'failed', instance, step: step.kind, data });
      say('failed', { reason: outcome.reason });
    }
    return outcome;
  }

  async #unlessHard(step: Promise<Outcome>): Promise<Outcome> {
    const { hard } = this.#options.interrupts;
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

  async #failed(turn: Turn, failure: Failure, ms: number): Promise<Failure> {
    const { instance } = turn.context;
    const { hard } = this.#options.interrupts;
    if (!turn.isTouched) {
      const isChanged = turn.isHeld || failure.code === 'unreachable';
      const trouble = hard.aborted ? failure.reason : isChanged ? await this.#putBack(turn) : '';
      this.#settle(instance, trouble === '' ? 'untouched' : 'stuck', trouble, ms);
      return failure;
    }
    if (hard.aborted || failure.code === 'unreachable') {
      this.#settle(instance, 'stuck', failure.reason, ms);
      return failure;
    }
    this.#settle(instance, 'failed', failure.reason, ms);
    const { proven } = turn.context.record;
    if (this.#service.onFailure === 'park' || proven === null) return this.#park(turn, failure, ms);
    const pid = turn.context.running?.process.pid ?? 0;
    for (const step of planRevert(this.#service, proven, pid)) {
      const outcome = await this.#step(step, turn, true);
      if (outcome.ok) continue;
      if (hard.aborted) {
        this.#settle(instance, 'stuck', outcome.reason, ms);
        return outcome;
      }
      const reason = `${failure.reason}; then ${proven.version} could not be brought back: ${outcome.reason}`;
      const evidence = [...failure.evidence, ...outcome.evidence];
      return this.#park(turn, fail('rollback_failed', reason, evidence), ms);
    }
    this.#settle(instance, 'reverted', `${this.#options.version} failed`, ms);
    return failure;
  }

  /** Keeps the server out of traffic until a person, or the next release, takes it up. */
  async #park(turn: Turn, failure: Failure, ms: number): Promise<Failure> {
    const { instance } = turn.context;
    const reason = `release ${this.#journal.id}: ${failure.reason}`.slice(0, 200);
    const change = { state: 'maint', owner: this.#owner, reason, ifOwner: this.#owner } as const;
    const trouble = await this.#try(() =>
      this.#control.setAdmin(this.#service.upstream, instance, change),
    );
    await this.#write({ kind: 'note', instance, data: { parked: trouble === '', trouble } });
    this.#settle(instance, trouble === '' ? 'parked' : 'stuck', trouble, ms);
    return failure;
  }

  /** Undoes guard and drain: the server is again what it was. Why not, or ''. */
  async #putBack(turn: Turn): Promise<string> {
    const { plan, found } = turn;
    const { instance } = turn.context;
    const before = found.server?.admin.state ?? 'ready';
    const state = plan.serving ? 'ready' : before;
    const reason = state === 'ready' ? '' : (found.server?.admin.reason ?? '');
    const change = { state, owner: this.#owner, reason, ifOwner: this.#owner };
    const trouble = await this.#try(() =>
      this.#control.setAdmin(this.#service.upstream, instance, change),
    );
    await this.#write({ kind: 'note', instance, data: { put_back: state, trouble } });
    return trouble;
  }

  /** The receipt, and an event a second with what it says so far. */
  async #watchTraffic(plan: Plan): Promise<() => Promise<void>> {
    let id = '';
    await this.#try(async () => {
      this.#receipt = await this.#control.openReceipt(this.#service.upstream);
      id = this.#receipt.id;
    });
    if (id === '') return async () => {};
    const over = new AbortController();
    const look = async (): Promise<void> => {
      const { status, readReceipt } = this.#options.control;
      const receipt = await readReceipt.call(this.#options.control, id);
      this.#receipt = receipt;
      const { upstreams } = await status.call(this.#options.control);
      const servers = upstreams.find((entry) => entry.name === plan.upstream)?.servers ?? [];
      const { requests, retried, cut, lost } = receipt;
      const eligible = servers.filter(isServing).length;
      this.#emit({
        type: 'traffic',
        eligible,
        servers: servers.length,
        requests,
        retried,
        cut,
        lost,
      });
    };
    const watching = (async (): Promise<void> => {
      while (!over.signal.aborted) {
        await pause(WAIT_EVENT_EVERY_MS, over.signal);
        if (!over.signal.aborted) await this.#try(look);
      }
    })();
    return async () => {
      over.abort();
      await watching;
      const { hard } = this.#options.interrupts;
      const trouble = hard.aborted ? '' : await this.#try(look);
      if (trouble !== '')
        this.#emit({ type: 'note', instance: '', text: `no receipt: ${trouble}` });
    };
  }

  async #finish(plan: Plan, failure: Failure | null, isRefused = false): Promise<ReleaseResult> {
    const { service, version, control, interrupts } = this.#options;
    const seen = await survey({ service, version, control, self: this.#journal.id });
    const story: Story = {
      service,
      release: this.#journal.id,
      plan,
      failure,
      isRefused,
      fates: this.#fates,
      receipt: this.#receipt,
      signal: interrupts.name,
      ms: Math.round(performance.now() - this.#startedMs),
    };
    const result = describeResult(story, seen);
    const { outcome, code, reason, exit, receipt } = result;
    await this.#write({ kind: 'end', data: { outcome, code, reason, exit, receipt } });
    this.#emit({ type: 'result', result });
    return result;
  }

  #settle(instance: string, fate: Fate, note: string, ms = 0): void {
    this.#fates.set(instance, { fate, note });
    this.#emit({ type: 'instance', instance, fate, ms: Math.round(ms), text: note });
  }

  /** The journal goes on after a full disk, if it can; but then no further instance is begun. */
  #write(record: JournalRecord): Promise<void> {
    return this.#keepGoing(() => this.#journal.write(record));
  }

  async #keepGoing(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      const code: ErrorCode = error.code;
      if (this.#storage === null) {
        this.#emit({ type: 'note', instance: '', text: messageOf(error) });
        this.#storage = fail(code, messageOf(error));
      }
    }
  }

  /** The message of the expected failure, or ''. */
  async #try(call: () => Promise<unknown>): Promise<string> {
    try {
      await call();
      return '';
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      return messageOf(error);
    }
  }

  #emit(body: EventBody): void {
    const ts = new Date().toISOString();
    const { service } = this.#options;
    this.#options.onEvent({ v: 1, ts, service: service.name, release: this.#journal.id, ...body });
  }
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
