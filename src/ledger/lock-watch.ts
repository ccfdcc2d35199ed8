// Follows the locks of all services. A lock that this gateway has not seen change for a while, by its own
// clock and its own watch, has a dead holder: no clocks are compared, and time in which the registry was
// away does not count. It says so once; what follows is the dead man's matter.

import type { LockDocument } from '../admin/contract.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { KvState, RecordStore, Watch } from '../registry.ts';
import { readLock } from './documents.ts';

/** A lock that has not changed for this long is free, ms. */
export const STALE_MS = 15_000;

type Known = {
  readonly lock: LockDocument;
  readonly index: number;
  /** When its holder's last sign of life was seen. */
  seenMs: number;
  timer: NodeJS.Timeout | undefined;
};

export type LockWatchOptions = {
  readonly store: RecordStore;
  /** Of the locks alone. */
  readonly prefix: string;
  readonly log: Log;
  readonly staleMs?: number;
  /** The lock may be stale, or its release is an orphan. */
  readonly onStale: (service: string, lock: LockDocument) => void;
  readonly onOrphan: (service: string, lock: LockDocument) => void;
};

export class LockWatch {
  readonly #options: LockWatchOptions;
  readonly #staleMs: number;
  readonly #watch: Watch;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<() => void>();
  #isReachable = true;
  #isClosed = false;

  constructor(options: LockWatchOptions) {
    this.#options = options;
    this.#staleMs = options.staleMs ?? STALE_MS;
    this.#watch = options.store.watch(options.prefix, {
      onState: (state) => this.#take(state),
      onHealth: ({ reachable }) => this.#heard(reachable),
    });
  }

  /** As the watch saw it last. */
  lock(service: string): LockDocument | undefined {
    return this.#known.get(service)?.lock;
  }

  /** All of them, by service. */
  locks(): ReadonlyMap<string, LockDocument> {
    return new Map([...this.#known].map(([service, { lock }]) => [service, lock]));
  }

  /** Of the releases that run on an upstream, the one that began last. */
  runningOn(upstream: string): LockDocument['holder'] {
    let newest: LockDocument['holder'] = null;
    for (const { lock } of this.#known.values()) {
      if (lock.holder?.upstream !== upstream) continue;
      if (newest === null || lock.holder.sinceMs > newest.sinceMs) newest = lock.holder;
    }
    return newest;
  }

  isStale(service: string, { fence, beat }: LockDocument): boolean {
    const known = this.#known.get(service);
    if (known === undefined || !this.#isReachable || known.lock.holder === null) return false;
    const isSame = known.lock.fence === fence && known.lock.beat === beat;
    return isSame && performance.now() - known.seenMs >= this.#staleMs;
  }

  /** Resolves when the lock is as wanted, or when the time is over. */
  until(
    service: string,
    isDone: (lock: LockDocument | undefined) => boolean,
    timeoutMs: number,
  ): Promise<void> {
    if (isDone(this.lock(service)) || timeoutMs <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve();
      };
      const look = (): void => {
        if (this.#isClosed || isDone(this.lock(service))) finish();
      };
      const timer = setTimeout(finish, timeoutMs);
      this.#listeners.add(look);
    });
  }

  /** Called when locks have changed; returns the unsubscription. */
  watch(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
    for (const { timer } of this.#known.values()) clearTimeout(timer);
    for (const look of [...this.#listeners]) look();
  }

  #take({ entries }: KvState): void {
    const { prefix, log, onOrphan } = this.#options;
    for (const entry of entries) {
      const service = entry.key.slice(prefix.length);
      const known = this.#known.get(service);
      if (known?.index === entry.modifyIndex) continue;
      try {
        const lock = readLock(entry);
        clearTimeout(known?.timer);
        // What somebody else writes there, a command, is no sign of life of the holder.
        const isSame = known?.lock.fence === lock.fence && known.lock.beat === lock.beat;
        const next = {
          lock,
          index: entry.modifyIndex,
          seenMs: isSame ? known.seenMs : performance.now(),
          timer: undefined,
        };
        this.#known.set(service, next);
        this.#schedule(service);
        if (lock.orphan !== '' && known?.lock.orphan !== lock.orphan) onOrphan(service, lock);
      } catch (error) {
        log.error({ key: entry.key, reason: messageOf(error) }, 'lock cannot be read');
      }
    }
    for (const look of [...this.#listeners]) look();
  }

  #heard(isReachable: boolean): void {
    const isBack = isReachable && !this.#isReachable;
    this.#isReachable = isReachable;
    if (!isBack) return;
    // Nobody could renew, or we could not see it.
    for (const [service, known] of this.#known) {
      known.seenMs = performance.now();
      this.#schedule(service);
    }
  }

  #schedule(service: string): void {
    const known = this.#known.get(service);
    if (known === undefined || this.#isClosed) return;
    clearTimeout(known.timer);
    if (known.lock.holder === null) return;
    const leftMs = known.seenMs + this.#staleMs - performance.now();
    known.timer = setTimeout(() => void this.#look(service, known), Math.max(0, leftMs)).unref();
  }

  /** The registry itself is asked: a watch may be late, and so may we, when we were stopped. */
  async #look(service: string, known: Known): Promise<void> {
    const { store, prefix, onStale } = this.#options;
    try {
      const entry = await store.get(`${prefix}${service}`);
      if (this.#isClosed || this.#known.get(service) !== known) return;
      const isStale = entry?.modifyIndex === known.index && this.isStale(service, known.lock);
      if (isStale) onStale(service, known.lock);
    } catch {
      // The registry is away; when it is back the time begins anew.
    }
    if (this.#known.get(service) !== known || this.#isClosed) return;
    // It is looked at again: what follows may have failed.
    known.timer = setTimeout(() => void this.#look(service, known), this.#staleMs).unref();
  }
}
