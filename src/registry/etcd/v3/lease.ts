// A lease of etcd. It is renewed three times within its time. It is lost when etcd says so, or when no
// renewal was answered for its whole time: from then on etcd may have given it up, so nobody counts on it.

import { messageOf, SluiceError } from '../../../base/errors.ts';
import type { Lease, LeaseOptions } from '../../record-store.ts';
import { GRPC } from '../transport.ts';
import { base64, fieldsOf, headerOf, listOf, numberOf } from './answer.ts';
import { type EtcdKv, read } from './kv.ts';

/** Closing waits no longer for a registry that is away; the lease runs out by itself. */
const GOODBYE_TIMEOUT_MS = 2_000;
const RETRY_MS = 500;
/** Of one record, when others write it as well. */
const WRITES_MAX = 10;

type LeaseKeys = {
  readonly keyOf: (key: string) => string;
  readonly remove: (key: string) => Promise<unknown>;
};

export async function openEtcdLease(
  kv: EtcdKv,
  { keyOf, remove }: LeaseKeys,
  { ttlMs: wantedMs, onLost }: LeaseOptions,
): Promise<Lease> {
  let renewedMs = performance.now();
  const granted = await kv.post('lease/grant', { TTL: String(Math.ceil(wantedMs / 1000)) });
  const { id, ttlMs } = read(() => leaseOf(granted));
  const { closing } = kv.calls.endpoints;
  const over = new AbortController();
  /** The revisions that our records have, as far as we know. */
  const written = new Map<string, number>();
  const lose = (reason: string): void => {
    if (over.signal.aborted) return;
    over.abort();
    clearTimeout(timer);
    onLost(reason);
  };
  const renew = async (): Promise<void> => {
    const askedMs = performance.now();
    const leftMs = renewedMs + ttlMs - askedMs;
    if (leftMs <= 0) return lose(`no renewal was answered for ${ttlMs} ms`);
    let nextMs = ttlMs / 3;
    try {
      const answer = await kv.post(
        'lease/keepalive',
        { ID: id },
        { timeoutMs: Math.min(leftMs, ttlMs / 3), signal: AbortSignal.any([over.signal, closing]) },
      );
      const result = read(() => fieldsOf(answer['result'], 'result'));
      if (result['TTL'] === undefined) return lose('etcd does not know it any more');
      renewedMs = askedMs;
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'registry_unreachable') {
        nextMs = Math.min(RETRY_MS, Math.max(0, renewedMs + ttlMs - performance.now()));
      } else return lose(messageOf(error));
    }
    if (!over.signal.aborted && !closing.aborted) timer = setTimeout(() => void renew(), nextMs);
  };
  // From when it was asked for: the answer may have come late.
  const firstMs = Math.max(0, renewedMs + ttlMs / 3 - performance.now());
  let timer = setTimeout(() => void renew(), firstMs);
  closing.addEventListener('abort', () => clearTimeout(timer), { signal: over.signal });
  return {
    ttlMs,
    async put(key, value) {
      const wanted = { request_put: { key: keyOf(key), value: base64(value), lease: id } };
      const range = { request_range: { key: keyOf(key) } };
      // Bound to the revision that it writes over: one that a frozen member carries out late is refused.
      for (let tries = 1; tries <= WRITES_MAX; tries++) {
        const at = { key: keyOf(key), target: 'MOD', mod_revision: String(written.get(key) ?? 0) };
        const answer = await kv.post(
          'kv/txn',
          { compare: [at], success: [wanted], failure: [range] },
          { answers: [GRPC.notFound] },
        );
        if (answer['code'] !== undefined) {
          lose('etcd does not know it any more');
          throw new SluiceError('conflict', `key "${key}": the lease is over; open another one`);
        }
        if (answer['succeeded'] === true) {
          written.set(key, read(() => headerOf(answer)).revision);
          return;
        }
        const found = read(() => {
          const response = fieldsOf(listOf(answer['responses'], 'responses')[0], 'response');
          return listOf(fieldsOf(response['response_range'], 'range')['kvs'], 'kvs')[0];
        });
        const record = found === undefined ? {} : read(() => fieldsOf(found, 'record'));
        const holder = record['lease'];
        if (holder !== undefined && holder !== '0' && holder !== id) {
          throw new SluiceError('conflict', `key "${key}": another lease holds it`);
        }
        written.set(
          key,
          read(() => numberOf(record['mod_revision'], 'mod_revision')),
        );
      }
      throw new SluiceError('conflict', `key "${key}": others kept changing it; try again`);
    },
    async delete(key) {
      written.delete(key);
      await remove(key);
    },
    async close() {
      over.abort();
      clearTimeout(timer);
      // One that could not be told forgets the lease when its time is over.
      return kv
        .post(
          'lease/revoke',
          { ID: id },
          { timeoutMs: GOODBYE_TIMEOUT_MS, answers: [GRPC.notFound] },
        )
        .then(
          () => true,
          () => false,
        );
    },
  };
}

/** @throws Error when it is no lease. Its id has 64 bits and stays text. */
function leaseOf(answer: Readonly<Record<string, unknown>>): { id: string; ttlMs: number } {
  const id = answer['ID'];
  const seconds = numberOf(answer['TTL'], 'TTL');
  if (typeof id !== 'string' || seconds <= 0) throw new Error('lease without ID or TTL');
  return { id, ttlMs: seconds * 1000 };
}
