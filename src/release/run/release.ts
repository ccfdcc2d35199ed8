// One release under way: its journal, its events, the control plane, and how each instance came out
// so far. All parts of the run share it, and it alone writes these; it decides nothing.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import { ownerText } from '../../model.ts';
import type { PoolServer, ReleaseControl } from '../control.ts';
import type { EventBody, InstanceOutcome, ReleaseEvent } from '../events.ts';
import type { Journal, JournalRecord } from '../journal/journal.ts';
import { masked } from '../masking.ts';
import type { PlanOptions } from '../plan.ts';
import type { StepFailure } from '../step-end.ts';
import type { Interrupts } from '../wait.ts';
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
  /** How long a control plane that is away is asked again; default 30 s. */
  readonly controlRetryMs?: number;
};

/** How an instance came out, and why. `runs`: the version that runs there, drained and not admitted. */
export type Settled = {
  readonly outcome: InstanceOutcome;
  readonly note: string;
  readonly runs?: string;
};

const CONTROL_RETRY_MS = 30_000;

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
  /** Null: nothing is counted, or not yet. */
  traffic: TrafficWatch | null = null;
  /** What must not appear in anything that is written, shown or said to the control plane. */
  readonly secrets = new Set<string>();
  /** Rises with each lock of the service; 0 = none is known, and no host is asked about it. */
  readonly fence: number = 0;
  readonly #journal: Journal;
  #storage: StepFailure | null = null;
  #awayMs = 0;

  constructor(options: ReleaseOptions, journal: Journal) {
    this.options = options;
    this.service = options.service;
    this.id = journal.id;
    this.owner = ownerText({ kind: 'release', id: journal.id });
    this.controlRetryMs = options.controlRetryMs ?? CONTROL_RETRY_MS;
    this.control = withRetry(options.control, {
      retryForMs: this.controlRetryMs,
      stop: options.interrupts.soft,
      onAway: (ms) => {
        this.#awayMs += ms;
      },
    });
    this.#journal = journal;
  }

  /** The first write of the journal or a record that failed; then nothing new is begun. */
  get storage(): StepFailure | null {
    return this.#storage;
  }

  /** For how long the control plane was asked and did not answer, all in all. */
  get awayMs(): number {
    return this.#awayMs;
  }

  write(record: JournalRecord): Promise<void> {
    return this.keep(() => this.#journal.write(masked(record, this.secrets)));
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

  settle(instance: string, settled: Settled, ms = 0): void {
    this.settled.set(instance, settled);
    const { outcome, note: text } = settled;
    this.emit({ type: 'instance', instance, outcome, ms: Math.round(ms), text });
  }
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
