// Records in the keys of etcd's v2 API, for those who come from nginx-upsync-module: both read the same
// keys. What v2 has not is made of what it has: a commit is its writes one after the other, undone when
// one of them fails; others may see the first before the last.

import { SluiceError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { SourceHealth } from '../../membership-source.ts';
import { assertKey } from '../../record-key.ts';
import type {
  DeleteOptions,
  KvEntry,
  KvState,
  Lease,
  LeaseOptions,
  PutOptions,
  RecordStore,
  RecordWrite,
  Watch,
  WatchEvents,
} from '../../record-store.ts';
import { entryOf } from './answer.ts';
import type { V2Keys } from './keys.ts';
import { openKeysLease } from './lease.ts';
import { watchFolder } from './watch.ts';

export class EtcdV2Store implements RecordStore {
  readonly #keys: V2Keys;
  readonly #log: Log;

  constructor(keys: V2Keys, log: Log) {
    this.#keys = keys;
    this.#log = log;
  }

  async get(key: string): Promise<KvEntry | undefined> {
    const node = await this.#keys.node(key);
    return node === undefined ? undefined : entryOf(node, this.#keys.root);
  }

  list(prefix: string): Promise<KvState> {
    return this.#keys.list(prefix);
  }

  async put(key: string, value: Uint8Array | string, options: PutOptions = {}): Promise<boolean> {
    assertNoFlags(key, options.flags);
    const { cas } = options;
    if (cas !== undefined) return (await this.#keys.put(key, value, { cas })) !== undefined;
    await this.#keys.putOver(key, value);
    return true;
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    if (options.recurse !== true) return this.#keys.delete(key, options);
    const { entries } = await this.#keys.list(key);
    for (const entry of entries) await this.#keys.delete(entry.key);
    return true;
  }

  async commit(writes: readonly RecordWrite[]): Promise<boolean> {
    const before: (KvEntry | undefined)[] = [];
    for (const write of writes) {
      if (!('delete' in write)) {
        assertNoFlags(write.key, write.flags);
        this.#keys.textOf(write.key, write.value);
      }
      const known = await this.get(write.key);
      if (write.cas !== undefined && (known?.modifyIndex ?? 0) !== write.cas) return false;
      before.push(known);
    }
    const undo: (() => Promise<unknown>)[] = [];
    try {
      for (const [at, write] of writes.entries()) {
        const isDone = await this.#writeOne(write, before[at], undo);
        if (isDone) continue;
        await undoAll(undo);
        return false;
      }
    } catch (error) {
      await undoAll(undo).catch(() => {
        // What stands now is told by the error that was the first.
      });
      throw error;
    }
    return true;
  }

  async openLease(options: LeaseOptions): Promise<Lease> {
    return openKeysLease(this.#keys, options);
  }

  watch(prefix: string, events: WatchEvents): Watch {
    assertKey(prefix, 'allowed');
    return watchFolder({ keys: this.#keys, log: this.#log, prefix, events });
  }

  health(): SourceHealth {
    return this.#keys.calls.endpoints.health;
  }

  close(): void {
    this.#keys.calls.endpoints.close();
  }

  /** False when its condition did not hold. */
  async #writeOne(
    write: RecordWrite,
    before: KvEntry | undefined,
    undo: (() => Promise<unknown>)[],
  ): Promise<boolean> {
    const { key, cas } = write;
    if ('delete' in write) {
      if (cas === 0) return true;
      if (!(await this.#keys.delete(key, { cas }))) return false;
      if (before !== undefined) undo.push(() => this.#keys.put(key, before.value, { cas: 0 }));
      return true;
    }
    const index =
      cas === undefined
        ? await this.#keys.putOver(key, write.value)
        : await this.#keys.put(key, write.value, { cas });
    if (index === undefined) return false;
    undo.push(() =>
      before === undefined
        ? this.#keys.delete(key, { cas: index })
        : this.#keys.put(key, before.value, { cas: index }),
    );
    return true;
  }
}

/** The last first. */
async function undoAll(undo: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const one of undo.toReversed()) await one();
}

function assertNoFlags(key: string, flags = '0'): void {
  if (flags === '0') return;
  throw new SluiceError(
    'registry_refused',
    `key "${key}": etcd keeps no flags (${flags}); write it without them`,
  );
}
