// One release under way: its journal, its events, the control plane, and how each instance came out
// so far. All parts of the run share it, and it alone writes these; it decides nothing.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import { within } from '../../base/within.ts';
import type { ServiceConfig } from '../../config.ts';
import { ownerText } from '../../model.ts';
import type { PoolServer, ReleaseControl } from '../control.ts';
import type { EventBody, InstanceOutcome, ReleaseEvent } from '../events.ts';
import type { Host, HostClaim } from '../hosts.ts';
import { hostFolder } from '../journal/files.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalRecord } from '../journal/lines.ts';
import type { OpenedJournal } from '../journal/open.ts';
import type { SharedJournal } from '../journal/shared-journal.ts';
import { masked } from '../masking.ts';
import type { Message } from '../notify.ts';
import type { PlanOptions } from '../plan.ts';
import type { StepFailure } from '../step-end.ts';
import type { ReleaseProblem } from '../survey.ts';
import type { Interrupts } from '../wait.ts';
import { Commands } from './commands.ts';
import { withRetry } from './control-retry.ts';
import { ReleasedInstances } from './released-instances.ts';
import type { TrafficWatch } from './traffic.ts';

export type ReleaseOptions = PlanOptions & {
  readonly service: ServiceConfig;
  readonly control: ReleaseControl;
  readonly interrupts: Interrupts;
  /** Called for each event, in order; must not throw. */
  readonly onEvent: (event: ReleaseEvent) => void;
  /** Called with all that must not be shown, before the first event that could hold some of it. */
  readonly onSecrets?: (secrets: ReadonlySet<string>) => void;
  /** The commands of `build`, `test` and `scan` were run elsewhere. */
  readonly skipBuild?: boolean;
  /** An archive in place of the configured artifact, built elsewhere. */
  readonly artifactFile?: string;
  /** The folder of the version on the hosts, of one that is there already; '' = none. */
  readonly artifactRelease?: string;
  /** How long a control plane that is away is asked again; default 30 s. */
  readonly controlRetryMs?: number;
  /** The release that a rollback undoes; ''. */
  readonly of?: string;
  readonly why?: string;
  /** Who it is by; '' or left out: the user of this process. */
  readonly by?: string;
  /** The configuration, for whoever goes on with it: kept in its journal. */
  readonly origin?: { readonly file: string; readonly document: unknown };
};

/** How an instance came out, and why. `runs`: the version that runs there, drained and not admitted. */
export type Settled = {
  readonly outcome: InstanceOutcome;
  readonly note: string;
  readonly runs?: string;
};

export const CONTROL_RETRY_MS = 30_000;
/** How long the lock is tried to be given back after an interrupt, and after a second one, ms. */
const CANCELLED_MS = 2000;
const HURRIED_MS = 500;
const NEVER = new AbortController().signal;

export class Release {
  readonly options: ReleaseOptions;
  readonly service: ServiceConfig;
  readonly id: string;
  /** Its name as the owner of an admin state. */
  readonly owner: string;
  /** Asks again while the control plane is away, unless the release was interrupted. */
  readonly control: ReleaseControl;
  /** For so long. */
  readonly controlRetryMs: number;
  readonly settled = new Map<string, Settled>();
  readonly released = new ReleasedInstances();
  readonly commands: Commands;
  /** Null: nothing is counted, or not yet. */
  traffic: TrafficWatch | null = null;
  /** As many others have to stay eligible when a server that serves is taken out: as planned. */
  need = 0;
  /** It stands still between two instances until it is told to go on. */
  onPaused: () => void = () => {};
  /** It waits for a person to approve it. */
  onWaiting: (approval: NonNullable<Message['approval']>) => void = () => {};
  /** The lock could not be taken: nothing may be done. */
  readonly trouble: ReleaseProblem | null;
  /** What an earlier runner of the same release has written. */
  readonly before: OpenedJournal['before'];
  /** What must not appear in anything that is written, shown or said to the control plane. */
  readonly secrets = new Set<string>();
  readonly #journal: Journal;
  readonly #shared: SharedJournal | null;
  #storage: StepFailure | null = null;
  #awayMs = 0;

  constructor(options: ReleaseOptions, { journal, shared, trouble, before }: OpenedJournal) {
    this.options = options;
    this.service = options.service;
    this.id = journal.id;
    this.owner = ownerText({ kind: 'release', id: journal.id });
    this.controlRetryMs = options.controlRetryMs ?? CONTROL_RETRY_MS;
    this.control = withRetry(withLock(options, shared), {
      retryForMs: this.controlRetryMs,
      stop: options.interrupts.soft,
      onAway: (ms) => {
        this.#awayMs += ms;
      },
    });
    this.trouble = trouble;
    this.before = before;
    this.#journal = journal;
    this.#shared = shared;
    this.commands = new Commands(this);
    if (shared !== null) shared.onCommand = (command) => this.commands.obey(command);
  }

  /** Rises with each lock of the service; 0 = it is not shared, and no host is asked about it. */
  get fence(): number {
    return this.#shared?.fence ?? 0;
  }

  /** Under which it changes something on a host; undefined: nobody shares the lock. */
  claimOn(host: Host): HostClaim | undefined {
    const { fence, service } = this;
    return fence === 0 ? undefined : { folder: hostFolder(service, host), fence };
  }

  /** Somebody else has the lock: nothing may be done any more. */
  get loss(): StepFailure | null {
    const loss = this.#shared?.loss ?? null;
    return loss === null ? null : { code: loss.code, reason: messageOf(loss), evidence: [] };
  }

  /** Aborted when the lock is lost. */
  get lost(): AbortSignal {
    return this.#shared?.lost ?? NEVER;
  }

  /** The first write of the journal or a record that failed, or the lost lock; then nothing new is begun. */
  get storage(): StepFailure | null {
    return this.loss ?? this.#storage;
  }

  /** For how long the control plane was asked and did not answer, all in all. */
  get awayMs(): number {
    return this.#awayMs;
  }

  async write(record: JournalRecord): Promise<void> {
    const stamped = this.#journal.stamp(masked(record, this.secrets));
    await this.keep(() => this.#journal.write(stamped));
    this.#shared?.send(stamped);
  }

  /** All that was written is where others read it, or nothing new is begun. */
  async flush(): Promise<void> {
    const shared = this.#shared;
    if (shared === null || shared.loss !== null) return;
    const { soft } = this.options.interrupts;
    await this.keep(() => shared.flush(this.controlRetryMs, soft));
  }

  /** The end; the lock is given back. Never throws. */
  async finish(end: {
    readonly outcome: string;
    readonly exit: number;
    readonly reason: string;
    readonly complete: boolean;
  }): Promise<void> {
    const shared = this.#shared;
    if (shared === null) return;
    const safe = masked(end, this.secrets);
    const { soft, hard } = this.options.interrupts;
    // A job that is cancelled is killed soon; a lock that is not given back gets old.
    const waitMs = hard.aborted ? HURRIED_MS : soft.aborted ? CANCELLED_MS : this.controlRetryMs;
    const closed = troubleOf(() => shared.close(safe, waitMs));
    if (shared.loss === null) await within(closed, Math.max(waitMs, HURRIED_MS), '');
    shared.stop();
  }

  /** What runs on an instance, where the other machines find it. */
  shareInstance(instance: string, record: Readonly<Record<string, unknown>>): void {
    this.#shared?.putInstance(instance, masked(record, this.secrets));
  }

  masked(text: string): string {
    return masked(text, this.secrets);
  }

  /** A write that may fail without ending what is under way: an instance is not left half-way for it. */
  async keep(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      if (this.#storage !== null) return;
      this.#storage = { code: error.code, reason: messageOf(error), evidence: [] };
      this.emit({ type: 'note', instance: '', text: messageOf(error) });
    }
  }

  /** A step could not write: as with a journal that could not, nothing new is begun. */
  storageFailed(failure: StepFailure): void {
    this.#storage ??= failure;
  }

  /** The servers of the upstream as the control plane sees them; it is asked again while it is away. */
  async servers(): Promise<readonly PoolServer[]> {
    return this.#serversBy(this.control);
  }

  /** The same without waiting: null while it cannot be asked. */
  async serversNow(): Promise<readonly PoolServer[] | null> {
    let servers: readonly PoolServer[] | null = null;
    await troubleOf(async () => {
      servers = await this.#serversBy(this.options.control);
    });
    return servers;
  }

  async #serversBy(control: ReleaseControl): Promise<readonly PoolServer[]> {
    const { upstreams } = await control.status();
    return upstreams.find(({ name }) => name === this.service.upstream)?.servers ?? [];
  }

  emit(body: EventBody): void {
    const { service, id } = this;
    const ts = new Date().toISOString();
    const event = { v: 1, ts, service: service.name, release: id, ...body } as const;
    this.options.onEvent(masked(event, this.secrets));
  }

  note(text: string): void {
    this.emit({ type: 'note', instance: '', text });
  }

  settle(instance: string, settled: Settled, ms = 0): void {
    this.settled.set(instance, settled);
    const { outcome, note: text } = settled;
    this.emit({ type: 'instance', instance, outcome, ms: Math.round(ms), text });
  }
}

/** Every change of a server says whose lock it is made under: who has lost it changes nothing. */
function withLock({ control, service }: ReleaseOptions, shared: SharedJournal | null) {
  if (shared === null) return control;
  const lock = { service: service.name, fence: shared.fence };
  const locked: ReleaseControl = {
    status: () => control.status(),
    setAdmin: (upstream, server, change) => control.setAdmin(upstream, server, { ...change, lock }),
    awaitIdle: (upstream, server, timeoutMs) => control.awaitIdle(upstream, server, timeoutMs),
    register: (upstream, server, request) => control.register(upstream, server, request),
    deregister: (upstream, server, request) => control.deregister(upstream, server, request),
    openReceipt: (upstream) => control.openReceipt(upstream),
    readReceipt: (id) => control.readReceipt(id),
  };
  return locked;
}

/** The message of the expected failure of a call, or ''. */
export async function troubleOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return '';
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    return messageOf(error);
  }
}
