// What all parts of a running release share: its journal, its events, the control plane, and how
// each instance came out so far. It decides nothing.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import type { ReleaseControl } from '../control.ts';
import type { Running } from '../drivers/command.ts';
import { masked, secretsOf } from '../drivers/environment.ts';
import type { EventBody, Fate, ReleaseEvent } from '../events.ts';
import type { Launch } from '../journal/instance-record.ts';
import type { Journal, JournalRecord } from '../journal/journal.ts';
import type { PlanOptions } from '../plan.ts';
import { type Failure, fail } from '../steps.ts';
import { OWNER_PREFIX } from '../survey.ts';
import type { Interrupts } from '../wait.ts';
import { patient } from './patience.ts';

export type ReleaseOptions = PlanOptions & {
  readonly service: ServiceConfig;
  readonly control: ReleaseControl;
  readonly interrupts: Interrupts;
  /** Called for each event, in order; must not throw. */
  readonly onEvent: (event: ReleaseEvent) => void;
  /** How long a control plane that is away is waited for; default 30 s. */
  readonly patienceMs?: number;
};

/** An instance that this release has put into traffic. */
export type Released = {
  readonly running: Running;
  /** Takes it out and back to the version that served before; the failure that the release ends with. */
  readonly takeBack: (failure: Failure) => Promise<Failure>;
};

const PATIENCE_MS = 30_000;

export class Session {
  readonly options: ReleaseOptions;
  readonly service: ServiceConfig;
  /** The id of the release. */
  readonly release: string;
  /** Its name as the owner of an admin state. */
  readonly owner: string;
  /** Waits for a control plane that is away, unless the release was interrupted. */
  readonly control: ReleaseControl;
  readonly fates = new Map<string, { readonly fate: Fate; readonly note: string }>();
  readonly secrets = new Set<string>();
  readonly released = new Map<string, Released>();
  readonly #journal: Journal;
  #storage: Failure | null = null;

  constructor(options: ReleaseOptions, journal: Journal) {
    this.options = options;
    this.service = options.service;
    this.release = journal.id;
    this.owner = `${OWNER_PREFIX}${journal.id}`;
    this.control = patient(options.control, {
      patienceMs: options.patienceMs ?? PATIENCE_MS,
      stop: options.interrupts.soft,
    });
    this.#journal = journal;
  }

  /** The first write of the journal or a record that failed; then nothing new is begun. */
  get storage(): Failure | null {
    return this.#storage;
  }

  write(record: JournalRecord): Promise<void> {
    return this.keep(() => this.#journal.write(masked(record, this.secrets)));
  }

  /** What the launch refers to must not appear in anything that is written or shown. */
  keepSecret(launch: Launch | null): void {
    for (const secret of launch === null ? [] : secretsOf(launch)) this.secrets.add(secret);
  }

  /** A write that may fail without ending what is under way: an instance is not left half-way for it. */
  async keep(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      if (this.#storage !== null) return;
      this.#storage = fail(error.code, messageOf(error));
      this.emit({ type: 'note', instance: '', text: messageOf(error) });
    }
  }

  /** A step could not write: as with a journal that could not, nothing new is begun. */
  storageFailed(failure: Failure): void {
    this.#storage ??= failure;
  }

  emit(body: EventBody): void {
    const { service, release } = this;
    const ts = new Date().toISOString();
    const event = { v: 1, ts, service: service.name, release, ...body } as const;
    this.options.onEvent(masked(event, this.secrets));
  }

  settle(instance: string, fate: Fate, note: string, ms = 0): void {
    this.fates.set(instance, { fate, note });
    this.emit({ type: 'instance', instance, fate, ms: Math.round(ms), text: note });
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
