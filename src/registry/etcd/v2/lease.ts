// A lease in the v2 API, which has none: each of its records has a time of its own that is renewed with
// the others. It is lost when one of them is gone, or when nothing was answered for its whole time.

import { isSluiceError, messageOf, SluiceError } from '../../../base/errors.ts';
import type { Lease, LeaseOptions } from '../../record-store.ts';
import type { V2Keys } from './keys.ts';

const RETRY_MS = 500;

export function openKeysLease(keys: V2Keys, { ttlMs: wantedMs, onLost }: LeaseOptions): Lease {
  const ttl = Math.max(1, Math.ceil(wantedMs / 1000));
  const ttlMs = ttl * 1000;
  const held = new Set<string>();
  const over = new AbortController();
  const { closing } = keys.calls.endpoints;
  let renewedMs = performance.now();
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
      const timeoutMs = Math.min(leftMs, ttlMs / 3);
      const signal = AbortSignal.any([over.signal, closing]);
      for (const key of held) {
        const isThere = await keys.refresh(key, ttl, timeoutMs, signal);
        if (!isThere && held.has(key)) return lose(`"${key}" is gone`);
      }
      renewedMs = askedMs;
    } catch (error) {
      if (!isSluiceError(error) || error.code !== 'registry_unreachable') {
        return lose(messageOf(error));
      }
      nextMs = Math.min(RETRY_MS, Math.max(0, renewedMs + ttlMs - performance.now()));
    }
    if (!over.signal.aborted && !closing.aborted) timer = setTimeout(() => void renew(), nextMs);
  };
  let timer = setTimeout(() => void renew(), ttlMs / 3);
  closing.addEventListener('abort', () => clearTimeout(timer), { signal: over.signal });
  return {
    ttlMs,
    async put(key, value) {
      const node = held.has(key) ? undefined : await keys.node(key);
      if (node?.isLeased) throw heldByAnother(key);
      if (held.has(key)) await keys.putOver(key, value, { ttl });
      else {
        const cas = node?.modifiedIndex ?? 0;
        if ((await keys.put(key, value, { cas, ttl })) === undefined) throw heldByAnother(key);
      }
      held.add(key);
    },
    async delete(key) {
      held.delete(key);
      await keys.delete(key);
    },
    async close() {
      over.abort();
      clearTimeout(timer);
      // One that could not be deleted vanishes when its time is over.
      const ends = await Promise.allSettled([...held].map((key) => keys.delete(key)));
      return ends.every(({ status }) => status === 'fulfilled');
    },
  };
}

function heldByAnother(key: string): SluiceError {
  return new SluiceError('conflict', `key "${key}": another lease holds it`);
}
