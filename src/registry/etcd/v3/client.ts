// Records in etcd, over the JSON gateway of its v3 API: a record is a key, its index the revision.
// What Consul has and etcd has not: flags, and writes that change nothing (they are left out here).

import { SluiceError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { SourceHealth } from '../../membership-source.ts';
import { assertKey, valueBytes } from '../../record-key.ts';
import {
  COMMIT_WRITES_MAX,
  type DeleteOptions,
  type KvEntry,
  type KvState,
  type Lease,
  type LeaseOptions,
  type PutOptions,
  type RecordStore,
  type RecordWrite,
  type Watch,
  type WatchEvents,
} from '../../record-store.ts';
import { type RequestFailure, unknownOutcome } from '../transport.ts';
import { base64, entryOf, fieldsOf, listOf } from './answer.ts';
import { type EtcdKv, read } from './kv.ts';
import { openEtcdLease } from './lease.ts';
import { watchPrefix } from './watch.ts';

type Sent = {
  readonly isDone: boolean;
  readonly responses: readonly unknown[];
  /** Of a try before the one that was answered: it may have been done. */
  readonly doubt: RequestFailure | undefined;
};

/** Of a write without a condition, when others write the same record. */
const WRITES_MAX = 50;

export class EtcdStore implements RecordStore {
  readonly #kv: EtcdKv;
  readonly #log: Log;

  constructor(kv: EtcdKv, log: Log) {
    this.#kv = kv;
    this.#log = log;
  }

  async get(key: string): Promise<KvEntry | undefined> {
    const answer = await this.#kv.post('kv/range', { key: this.#keyOf(key) });
    return read(() => {
      const [kv] = listOf(answer['kvs'], 'kvs');
      return kv === undefined ? undefined : entryOf(kv, this.#kv.root);
    });
  }

  async list(prefix: string): Promise<KvState> {
    assertKey(prefix, 'allowed');
    const { revision, entries } = await this.#kv.list(prefix);
    return { index: revision, entries };
  }

  async keys(prefix: string): Promise<readonly string[]> {
    assertKey(prefix, 'allowed');
    const { entries } = await this.#kv.list(prefix, { isBare: true });
    return entries.map(({ key }) => key);
  }

  async put(key: string, value: Uint8Array | string, options: PutOptions = {}): Promise<boolean> {
    const { cas } = options;
    const put = this.#putOf({ key, value, ...options });
    if (cas !== undefined) return this.#transact([this.#isAt(key, cas)], [put]);
    const bytes = Buffer.from(value);
    // A write that changes nothing wakes nobody.
    return this.#over(key, (entry) => (entry && bytes.equals(entry.value) ? [] : [put]));
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    if (options.recurse === true) {
      if (options.cas !== undefined) {
        throw new SluiceError('registry_refused', `key "${key}": recurse with cas; choose one`);
      }
      return this.#deleteAll(key);
    }
    const { cas } = options;
    const remove = { request_delete_range: { key: this.#keyOf(key) } };
    if (cas === undefined) return this.#over(key, (entry) => (entry ? [remove] : []));
    const range = { request_range: { key: this.#keyOf(key), keys_only: true } };
    const { isDone, responses, doubt } = await this.#send(
      [this.#isAt(key, cas)],
      [remove],
      [range],
    );
    if (isDone) return true;
    const isThere = read(() => {
      const response = fieldsOf(responses[0], 'response');
      return listOf(fieldsOf(response['response_range'], 'range')['kvs'], 'kvs').length > 0;
    });
    if (isThere && doubt !== undefined) throw unknownOutcome(doubt);
    // What is not there is deleted.
    return !isThere;
  }

  async commit(writes: readonly RecordWrite[]): Promise<boolean> {
    const conditions = writes.flatMap(({ key, cas }) =>
      cas === undefined ? [] : [this.#isAt(key, cas)],
    );
    const operations = writes.map((write) =>
      'delete' in write
        ? { request_delete_range: { key: this.#keyOf(write.key) } }
        : this.#putOf(write),
    );
    if (conditions.length > 0) return this.#transact(conditions, operations);
    const first = writes.find((write) => !('delete' in write)) ?? writes[0];
    return first === undefined || this.#over(first.key, () => operations);
  }

  openLease(options: LeaseOptions): Promise<Lease> {
    const keys = {
      keyOf: (key: string) => this.#keyOf(key),
      remove: (key: string) => this.delete(key),
    };
    return openEtcdLease(this.#kv, keys, options);
  }

  watch(prefix: string, events: WatchEvents): Watch {
    assertKey(prefix, 'allowed');
    return watchPrefix({ kv: this.#kv, log: this.#log, prefix, events });
  }

  health(): SourceHealth {
    return this.#kv.calls.endpoints.health;
  }

  close(): void {
    this.#kv.calls.endpoints.close();
  }

  /**
   * Writes over the record as it stands, whatever that is. A request that was sent to a member that froze
   * is carried out when it thaws, long after it was repeated elsewhere and others wrote: so even a write
   * without a condition is bound to the revision that it writes over, and comes too late then.
   */
  async #over(
    key: string,
    writes: (entry: KvEntry | undefined) => readonly object[],
  ): Promise<true> {
    for (let tries = 1; tries <= WRITES_MAX; tries++) {
      const entry = await this.get(key);
      const success = writes(entry);
      if (success.length === 0) return true;
      const compare = [this.#isAt(key, entry?.modifyIndex ?? 0)];
      const answer = await this.#kv.post('kv/txn', { compare, success });
      if (answer['succeeded'] === true) return true;
    }
    throw new SluiceError(
      'conflict',
      `key "${key}": others kept changing it, ${WRITES_MAX} tries; try again`,
    );
  }

  /** In pieces, each bound to what it deletes. What is written meanwhile is deleted too. */
  async #deleteAll(prefix: string): Promise<true> {
    for (let tries = 1; tries <= WRITES_MAX; tries++) {
      const { entries } = await this.list(prefix);
      if (entries.length === 0) return true;
      for (let at = 0; at < entries.length; at += COMMIT_WRITES_MAX) {
        const piece = entries.slice(at, at + COMMIT_WRITES_MAX);
        await this.#send(
          piece.map(({ key, modifyIndex }) => this.#isAt(key, modifyIndex)),
          piece.map(({ key }) => ({ request_delete_range: { key: this.#keyOf(key) } })),
          [],
        );
      }
    }
    throw new SluiceError(
      'conflict',
      `keys under "${prefix}": others kept writing there, ${WRITES_MAX} tries; try again`,
    );
  }

  /** False when a condition did not hold. @throws registry_unreachable when it may not hold by our own doing */
  async #transact(compare: readonly object[], success: readonly object[]): Promise<boolean> {
    const { isDone, doubt } = await this.#send(compare, success, []);
    if (!isDone && doubt !== undefined) throw unknownOutcome(doubt);
    return isDone;
  }

  async #send(
    compare: readonly object[],
    success: readonly object[],
    failure: readonly object[],
  ): Promise<Sent> {
    let doubt: RequestFailure | undefined;
    const onDoubt = (failure: RequestFailure): void => {
      doubt = failure;
    };
    const answer = await this.#kv.post(
      'kv/txn',
      { compare, success, failure },
      compare.length === 0 ? {} : { onDoubt },
    );
    return read(() => ({
      isDone: answer['succeeded'] === true,
      responses: listOf(answer['responses'], 'responses'),
      doubt,
    }));
  }

  /** Of a record that is absent the revision is 0. */
  #isAt(key: string, cas: number): object {
    return { key: this.#keyOf(key), target: 'MOD', mod_revision: String(cas) };
  }

  #putOf(write: {
    readonly key: string;
    readonly value: Uint8Array | string;
    readonly flags?: string | undefined;
  }): object {
    const { key, value, flags = '0' } = write;
    if (flags !== '0') {
      throw new SluiceError(
        'registry_refused',
        `key "${key}": etcd keeps no flags (${flags}); write it without them`,
      );
    }
    return {
      request_put: { key: this.#keyOf(key), value: valueBytes(key, value).toString('base64') },
    };
  }

  #keyOf(key: string): string {
    assertKey(key);
    return base64(this.#kv.root + key);
  }
}
