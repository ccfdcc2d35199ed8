// Records in etcd, over the JSON gateway of its v3 API: a record is a key, its index the revision.
// What Consul has and etcd has not: flags, and writes that change nothing (they are left out here).

import { SluiceError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { SourceHealth } from '../../membership-source.ts';
import { assertKey, valueBytes } from '../../record-key.ts';
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
import { type RequestFailure, unknownOutcome } from '../transport.ts';
import { base64, entryOf, fieldsOf, listOf, rangeOf } from './answer.ts';
import { type EtcdKv, read } from './kv.ts';
import { openEtcdLease } from './lease.ts';
import { watchPrefix } from './watch.ts';

type Sent = {
  readonly isDone: boolean;
  readonly responses: readonly unknown[];
  /** Of a try before the one that was answered: it may have been done. */
  readonly doubt: RequestFailure | undefined;
};

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

  async put(key: string, value: Uint8Array | string, options: PutOptions = {}): Promise<boolean> {
    const { cas } = options;
    const put = this.#putOf({ key, value, ...options });
    if (cas === undefined) {
      const same = { key: this.#keyOf(key), target: 'VALUE', value: base64(value) };
      await this.#kv.post('kv/txn', { compare: [same], success: [], failure: [put] });
      return true;
    }
    return this.#transact([this.#isAt(key, cas)], [put]);
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    if (options.recurse === true) {
      if (options.cas !== undefined) {
        throw new SluiceError('registry_refused', `key "${key}": recurse with cas; choose one`);
      }
      assertKey(key, 'allowed');
      await this.#kv.post('kv/deleterange', rangeOf(this.#kv.root + key));
      return true;
    }
    const { cas } = options;
    if (cas === undefined) {
      await this.#kv.post('kv/deleterange', { key: this.#keyOf(key) });
      return true;
    }
    const range = { request_range: { key: this.#keyOf(key), keys_only: true } };
    const remove = { request_delete_range: { key: this.#keyOf(key) } };
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
    return this.#transact(conditions, operations);
  }

  openLease(options: LeaseOptions): Promise<Lease> {
    return openEtcdLease(this.#kv, (key) => this.#keyOf(key), options);
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
