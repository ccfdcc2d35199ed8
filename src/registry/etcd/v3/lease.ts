// A lease of etcd. It is renewed three times within its time. It is lost when etcd says so, or when no
// renewal was answered for its whole time: from then on etcd may have given it up, so nobody counts on it.

import { messageOf, SluiceError } from '../../../base/errors.ts';
import type { Lease, LeaseOptions } from '../../record-store.ts';
import { GRPC } from '../transport.ts';
import { base64, fieldsOf, listOf, numberOf } from './answer.ts';
import { type EtcdKv, read } from './kv.ts';

/** Closing waits no longer for a registry that is away; the lease runs out by itself. */
const GOODBYE_TIMEOUT_MS = 2_000;
const RETRY_MS = 500;

export async function openEtcdLease(
  kv: EtcdKv,
  keyOf: (key: string) => string,
  { ttlMs: wantedMs, onLost }: LeaseOptions,
): Promise<Lease> {
  let renewedMs = performance.now();
  const granted = await kv.post('lease/grant', { TTL: String(Math.ceil(wantedMs / 1000)) });
  const { id, ttlMs } = read(() => leaseOf(granted));
  const { closing } = kv.calls.endpoints;
  const over = new AbortController();
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
  let timer = setTimeout(() => void renew(), ttlMs / 3);
  closing.addEventListener('abort', () => clearTimeout(timer), { signal: over.signal });
  return {
    async put(key, value) {
      const put = { request_put: { key: keyOf(key), value: base64(value), lease: id } };
      const held = (lease: string): object => ({ key: keyOf(key), target: 'LEASE', lease });
      const free = { compare: [held('0')], success: [put], failure: [] };
      const answer = await kv.post(
        'kv/txn',
        { compare: [held(id)], success: [put], failure: [{ request_txn: free }] },
        { answers: [GRPC.notFound] },
      );
      if (answer['code'] !== undefined) {
        lose('etcd does not know it any more');
        throw new SluiceError('conflict', `key "${key}": the lease is over; open another one`);
      }
      if (answer['succeeded'] === true) return;
      const inner = read(() => fieldsOf(listOf(answer['responses'], 'responses')[0], 'response'));
      const wasFree = read(() => fieldsOf(inner['response_txn'], 'response_txn'))['succeeded'];
      if (wasFree !== true) {
        throw new SluiceError('conflict', `key "${key}": another lease holds it`);
      }
    },
    async delete(key) {
      await kv.post('kv/deleterange', { key: keyOf(key) });
    },
    async close() {
      if (over.signal.aborted) return;
      over.abort();
      clearTimeout(timer);
      // One that could not be told forgets the lease when its time is over.
      await kv
        .post(
          'lease/revoke',
          { ID: id },
          { timeoutMs: GOODBYE_TIMEOUT_MS, answers: [GRPC.notFound] },
        )
        .catch(() => {});
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
