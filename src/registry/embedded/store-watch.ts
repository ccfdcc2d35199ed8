// Follows one prefix of the embedded store inside its own process: what a write changed is handed on
// as the records that it changed, so that one of thousands costs as much as one of ten. The same
// face as consul/watch.ts, without HTTP between; what others see of the store goes through its API.

import type { KvEntry, Watch, WatchEvents } from '../record-store.ts';
import { KV } from './entry.ts';
import type { Store } from './store.ts';
import type { Changed } from './write-group.ts';

/** With more changed at once, the whole prefix is as cheap. */
const RECORDS_MAX = 1_000;
/** After a long delivery the next one waits as long, at most that many ms; what comes is gathered. */
const REST_MAX_MS = 1_000;
/** Shorter ones do not count. */
const LONG_MS = 5;

export function watchStore(store: Store, prefix: string, events: WatchEvents): Watch {
  return new StoreWatch(store, prefix, events);
}

class StoreWatch implements Watch {
  readonly #store: Store;
  readonly #prefix: string;
  readonly #events: WatchEvents;
  readonly #stopListening: () => void;
  /** Keys to tell about; undefined: the whole prefix. */
  #changed: Set<string> | undefined;
  #scheduled: { cancel: () => void } | undefined;
  #restUntilMs = 0;

  constructor(store: Store, prefix: string, events: WatchEvents) {
    this.#store = store;
    this.#prefix = prefix;
    this.#events = events;
    this.#stopListening = store.onChange((changes) => this.#note(changes));
    this.#schedule();
  }

  close(): void {
    this.#stopListening();
    this.#scheduled?.cancel();
  }

  #note(changes: readonly Changed[] | 'all'): void {
    let isTouched = changes === 'all';
    if (changes === 'all') this.#changed = undefined;
    for (const { family, key, removed } of changes === 'all' ? [] : changes) {
      const isBelow = key.startsWith(this.#prefix);
      const isTree = removed !== undefined;
      if (family !== KV || (!isBelow && !(isTree && this.#prefix.startsWith(key)))) continue;
      isTouched = true;
      if (isTree) this.#changed = undefined;
      else this.#changed?.add(key);
    }
    if (this.#changed !== undefined && this.#changed.size > RECORDS_MAX) this.#changed = undefined;
    if (isTouched) this.#schedule();
  }

  /** After the writers have their answers: they do not wait for us. */
  #schedule(): void {
    if (this.#scheduled !== undefined) return;
    const deliver = (): void => this.#deliver();
    const restMs = this.#restUntilMs - performance.now();
    if (restMs > 0) {
      const timer = setTimeout(deliver, restMs);
      this.#scheduled = { cancel: () => clearTimeout(timer) };
    } else {
      const immediate = setImmediate(deliver);
      this.#scheduled = { cancel: () => clearImmediate(immediate) };
    }
  }

  #deliver(): void {
    this.#scheduled = undefined;
    const startMs = performance.now();
    const changed = this.#changed;
    this.#changed = new Set();
    if (changed === undefined || !this.#deliverChange(changed)) {
      this.#events.onState(this.#store.list(this.#prefix));
    }
    const spentMs = performance.now() - startMs;
    if (spentMs > LONG_MS) {
      this.#restUntilMs = performance.now() + Math.min(REST_MAX_MS, spentMs);
    }
  }

  /** False when the watcher wants the whole prefix. */
  #deliverChange(changed: ReadonlySet<string>): boolean {
    if (this.#events.onRecords === undefined) return false;
    const records = new Map<string, KvEntry>();
    const removed: string[] = [];
    let index = 0;
    for (const key of changed) {
      const record = this.#store.read(key);
      if (record !== undefined) {
        index = Math.max(index, record.modifyIndex);
        records.set(key, record);
      } else removed.push(key);
    }
    // Of a record that is gone its tombstone has the index. All that was written until now is in here.
    if (removed.length > 0) index = this.#store.index;
    return this.#events.onRecords({ index, entries: [...records.values()], removed });
  }
}
