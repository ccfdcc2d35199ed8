// Which gateways there are. Each keeps a record of who it is and, under a lease, a sign of life. One
// whose lease has ended without a goodbye is silent: it may have died, or it only lost the registry and
// goes on serving. It is named, and nobody waits for it. After a while its record is removed.

import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { within } from '../base/within.ts';
import type { Lease, RecordStore } from '../registry.ts';
import type { GatewayDocument } from './documents.ts';
import type { Shared } from './shared-state.ts';

const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5000;
/** Leaving waits no longer for a registry that is away, ms. */
const GOODBYE_MS = 2000;
/** A silent one whose successor is here is dead; what its workers had begun ends within this time, ms. */
const REPLACED_FORGET_MS = 60_000;
/** A registry may take so many times the lease until it ends it. */
const LEASE_ENDS_FACTOR = 2;
/** A timer cannot wait longer. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A gateway beside this one. */
export type OtherGateway = GatewayDocument & {
  readonly id: string;
  /** live: its lease holds. silent: it has ended without a goodbye. */
  readonly state: 'live' | 'silent';
  /** Since when it is so, as far as this gateway saw; wall clock, ms. */
  readonly sinceMs: number;
};

export type RosterOptions = {
  readonly store: RecordStore;
  readonly prefix: string;
  readonly id: string;
  readonly leaseMs: number;
  /** A silent one is forgotten after this time. */
  readonly forgetMs: number;
  readonly log: Log;
  readonly describe: () => GatewayDocument;
  /** Our lease holds from now on: what lives under it has to be written (again). */
  readonly onLease: () => void;
};

export class Roster {
  readonly #options: RosterOptions;
  #others: readonly OtherGateway[] = [];
  #replaced: ReadonlySet<string> = new Set();
  /** Their records are being removed. */
  readonly #forgotten = new Set<string>();
  #lease: Lease | undefined;
  #opening: Promise<void> | undefined;
  /** Given up, and the registry has not said that they are over. */
  readonly #givenUp = new Set<Lease>();
  /** Until then others may go by what an earlier lease of ours says, performance.now(). */
  #countsUntilMs = 0;
  readonly #startMs = performance.now();
  #isClosed = false;
  #retry: NodeJS.Timeout | undefined;
  #nextForget: NodeJS.Timeout | undefined;
  #failures = 0;
  #written = '';

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  /** Undefined while the registry has not given one. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  get others(): readonly OtherGateway[] {
    return this.#others;
  }

  /** Opens the lease, and again whenever it is lost. */
  start(): void {
    this.#open();
  }

  /**
   * Ends the lease, and opens another one. Resolves when whatever was said under an earlier lease is gone:
   * the registry said so, or its time is over. `hadEarlierRun`: that one's, too.
   */
  async fallSilent(hadEarlierRun: boolean): Promise<void> {
    await this.#opening;
    if (this.#lease !== undefined) {
      this.#gone(this.#lease);
      await this.#endAll();
      this.#again();
    }
    const earlierMs = hadEarlierRun ? this.#startMs + LEASE_ENDS_FACTOR * this.#options.leaseMs : 0;
    const leftMs = Math.max(this.#countsUntilMs, earlierMs) - performance.now();
    if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs).unref());
  }

  /** What `describe` says has changed. */
  async update(): Promise<void> {
    if (this.#lease === undefined) return;
    await this.#writeDocument().catch((error: unknown) => this.#failed(error));
  }

  /** True when somebody came, left, fell silent or spoke again. */
  take({ gateways, unreadable, alive }: Shared, nowMs: number): boolean {
    const { id: self, log } = this.#options;
    const last = new Map(this.#others.map((other) => [other.id, other]));
    for (const id of this.#forgotten) if (!gateways.has(id)) this.#forgotten.delete(id);
    const isLost = this.#lease !== undefined && !gateways.has(self);
    // A record that is gone is a goodbye, unless its writer lives on, or the registry has lost ours as well.
    const kept = this.#others.filter(({ id }) => !gateways.has(id) && (isLost || alive.has(id)));
    const known = [...gateways, ...kept.map((other) => [other.id, other] as const)];
    this.#replaced = new Set(known.flatMap(([, { replaces }]) => replaces ?? []));
    this.#others = known.flatMap(([id, document]) => {
      const isAlive = alive.has(id);
      if (id === self || (this.#forgotten.has(id) && !isAlive)) return [];
      const state = isAlive ? ('live' as const) : ('silent' as const);
      const before = last.get(id);
      const sinceMs = before?.state === state ? before.sinceMs : nowMs;
      return [{ id, ...document, state, sinceMs }];
    });
    let isChanged = false;
    for (const other of this.#others) {
      const before = last.get(other.id)?.state;
      last.delete(other.id);
      if (before === other.state) continue;
      isChanged = true;
      const fields = { gateway: other.name, id: other.id, control: other.control };
      if (other.state === 'silent') {
        const effect = 'it is not waited for, and may still send requests';
        log.warn({ ...fields, effect }, 'gateway is silent');
      } else log.info(fields, before === undefined ? 'gateway is here' : 'gateway is back');
    }
    for (const { name, id } of last.values()) {
      isChanged = true;
      log.info({ gateway: name, id }, 'gateway has left');
    }
    this.#forget(nowMs);
    // Somebody took us for gone, or the registry has lost it: our record is missing while we live.
    if (isLost || (this.#lease !== undefined && unreadable.has(self))) void this.#rewrite();
    if (this.#lease !== undefined && !alive.has(self)) void this.#signOfLife(this.#lease);
    return isChanged;
  }

  /** Never throws. Without a goodbye the others wait for us until the lease is over, or our successor is there. */
  async close(saysGoodbye = true): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#nextForget);
    const { store, prefix, id } = this.#options;
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined || !saysGoodbye) return;
    // The record goes first, or we would be silent for a moment.
    const goodbye = store.delete(`${prefix}shared/gateways/${id}`).then(() => lease.close());
    await within(
      goodbye.catch(() => {}),
      GOODBYE_MS,
      undefined,
    );
  }

  #open(): void {
    if (this.#isClosed) return;
    this.#opening ??= this.#openLease().finally(() => {
      this.#opening = undefined;
    });
  }

  /** Never throws. */
  async #openLease(): Promise<void> {
    const { store, leaseMs, log } = this.#options;
    let lease: Lease | undefined;
    let isLost = false;
    try {
      // Its records would be in the way until its time is over.
      await this.#endAll();
      lease = await store.openLease({
        ttlMs: leaseMs,
        onLost: (reason) => {
          log.warn({ reason }, 'lease of this gateway is lost, others take it for silent');
          isLost = true;
          if (lease !== undefined) this.#gone(lease);
          this.#again();
        },
      });
      await lease.put(this.#aliveKey, '1');
      this.#written = '';
      await this.#writeDocument();
      if (this.#isClosed) throw new Error('closed');
      if (isLost) throw new Error('the lease was lost at once');
      this.#lease = lease;
      this.#failures = 0;
    } catch (error) {
      if (lease !== undefined) this.#gone(lease);
      await this.#endAll();
      this.#failed(error);
      this.#again();
    }
    if (this.#lease !== undefined) this.#options.onLease();
  }

  #gone(lease: Lease): void {
    this.#lease = undefined;
    this.#givenUp.add(lease);
    this.#countsUntilMs = performance.now() + LEASE_ENDS_FACTOR * lease.ttlMs;
  }

  async #endAll(): Promise<void> {
    for (const lease of this.#givenUp) if (await lease.close()) this.#givenUp.delete(lease);
    if (this.#givenUp.size === 0) this.#countsUntilMs = 0;
  }

  #again(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#retry);
    const delayMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#open(), delayMs).unref();
  }

  get #aliveKey(): string {
    const { prefix, id } = this.#options;
    return `${prefix}shared/alive/${id}`;
  }

  /** Where the lease is over as well, its next renewal says so. */
  async #signOfLife(lease: Lease): Promise<void> {
    await lease.put(this.#aliveKey, '1').catch((error: unknown) => this.#failed(error));
  }

  async #rewrite(): Promise<void> {
    this.#written = '';
    await this.update();
  }

  async #writeDocument(): Promise<void> {
    const { store, prefix, id, describe } = this.#options;
    const text = JSON.stringify(describe());
    if (text === this.#written) return;
    this.#written = text;
    try {
      await store.put(`${prefix}shared/gateways/${id}`, text);
    } catch (error) {
      this.#written = '';
      throw error;
    }
  }

  /** Nothing else may happen in the registry until then, so the next one has a timer. */
  #forget(nowMs: number): void {
    const { forgetMs, log } = this.#options;
    clearTimeout(this.#nextForget);
    const silent = this.#others.filter(({ state }) => state === 'silent');
    const dueMs = ({ id, sinceMs }: OtherGateway): number =>
      sinceMs + (this.#replaced.has(id) ? Math.min(forgetMs, REPLACED_FORGET_MS) : forgetMs);
    const isDue = (other: OtherGateway): boolean => nowMs >= dueMs(other);
    for (const { id, name } of silent.filter(isDue)) {
      log.info({ gateway: name, id }, 'silent gateway is forgotten');
      this.#others = this.#others.filter((other) => other.id !== id);
      this.#forgotten.add(id);
      this.#remove(id).catch((error: unknown) => {
        this.#forgotten.delete(id);
        this.#failed(error);
      });
    }
    const waiting = silent.filter((other) => !isDue(other));
    if (waiting.length === 0 || this.#isClosed) return;
    const nextMs = Math.min(...waiting.map(dueMs));
    const delayMs = Math.min(TIMER_MAX_MS, Math.max(0, nextMs - nowMs));
    this.#nextForget = setTimeout(() => this.#forget(Date.now()), delayMs).unref();
  }

  /** What it said last is gone with its lease, but for what somebody else wrote over it. */
  async #remove(id: string): Promise<void> {
    const { store, prefix } = this.#options;
    await store.delete(`${prefix}seen/views/${id}/`, { recurse: true });
    await store.delete(`${prefix}seen/applied/${id}`);
    await store.delete(`${prefix}shared/gateways/${id}`);
  }

  #failed(error: unknown): void {
    if (this.#isClosed || this.#failures > 0) return;
    this.#options.log.warn({ reason: messageOf(error) }, 'other gateways cannot see this one yet');
  }
}
