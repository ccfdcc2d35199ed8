// A lease on a Consul-compatible registry: a session with a TTL whose keys are deleted with it. It is
// renewed three times within its TTL. It is lost when the registry says so, or when no renewal was
// answered for a whole TTL: from then on the registry may have given it up, so nobody counts on it.

import { isSluiceError, messageOf, SluiceError } from '../../base/errors.ts';
import type { Lease, LeaseOptions } from '../record-store.ts';
import { parseDone } from './answer.ts';
import type { ConsulTransport } from './transport.ts';

/** Consul's own least and greatest. */
const TTL_MIN_MS = 10_000;
const TTL_MAX_MS = 86_400_000;
/** Closing waits no longer for a registry that is away; the lease runs out by itself. */
const GOODBYE_TIMEOUT_MS = 2000;

const UNKNOWN = 'the registry does not know it any more';

/** False: the registry has no such session. */
export type RenewSession = (id: string) => boolean;

/** `renewHere`: where the registry is in this process, a renewal needs no request: one took 6 to 10 ms of it. */
export async function openSessionLease(
  transport: ConsulTransport,
  pathOf: (key: string) => string,
  { ttlMs: wantedMs, onLost }: LeaseOptions,
  renewHere?: RenewSession,
): Promise<Lease> {
  const ttlMs = Math.min(TTL_MAX_MS, Math.max(TTL_MIN_MS, wantedMs));
  let renewedMs = performance.now();
  const id = await createSession(transport, ttlMs);
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
    if (renewHere !== undefined) {
      if (!renewHere(id)) return lose(UNKNOWN);
      renewedMs = askedMs;
      timer = setTimeout(() => void renew(), ttlMs / 3);
      return;
    }
    const request = { method: 'PUT', path: `/v1/session/renew/${id}` } as const;
    let next = ttlMs / 3;
    try {
      const timeoutMs = Math.min(leftMs, ttlMs / 3);
      const outcome = await transport.try(request, { timeoutMs, signal: over.signal, fresh: true });
      if ('reason' in outcome) next = Math.min(next, 500);
      else if (outcome.status === 404) return lose(UNKNOWN);
      else renewedMs = askedMs;
    } catch (error) {
      return lose(messageOf(error));
    }
    if (!over.signal.aborted && !transport.closing.aborted)
      timer = setTimeout(() => void renew(), next);
  };
  // From when it was asked for: the answer may have come late.
  const firstMs = Math.max(0, renewedMs + ttlMs / 3 - performance.now());
  let timer = setTimeout(() => void renew(), firstMs);
  transport.closing.addEventListener('abort', () => clearTimeout(timer), { signal: over.signal });
  return {
    ttlMs,
    async put(key, value) {
      const request = {
        method: 'PUT',
        path: `${pathOf(key)}?acquire=${id}`,
        body: Buffer.from(value),
      } as const;
      try {
        if (parseDone(await transport.call(request))) return;
      } catch (error) {
        if (isSluiceError(error) && error.code === 'conflict') {
          lose(UNKNOWN);
        }
        throw error;
      }
      throw new SluiceError('conflict', `key "${key}": another lease holds it`);
    },
    async delete(key) {
      await transport.call({ method: 'DELETE', path: pathOf(key) });
    },
    async close() {
      over.abort();
      clearTimeout(timer);
      const request = { method: 'PUT', path: `/v1/session/destroy/${id}` } as const;
      // One that could not be told forgets the lease when its time is over.
      const options = { timeoutMs: GOODBYE_TIMEOUT_MS, signal: transport.closing, fresh: true };
      const outcome = await transport.try(request, options).catch(() => undefined);
      return outcome !== undefined && 'status' in outcome && outcome.status === 200;
    },
  };
}

async function createSession(transport: ConsulTransport, ttlMs: number): Promise<string> {
  const options = {
    Name: 'sluice',
    TTL: `${Math.ceil(ttlMs / 1000)}s`,
    Behavior: 'delete',
    LockDelay: '0s',
  };
  const reply = await transport.call({
    method: 'PUT',
    path: '/v1/session/create',
    body: Buffer.from(JSON.stringify(options)),
  });
  let id: unknown;
  try {
    const document: unknown = JSON.parse(reply.body.toString());
    // The cast only names the field; it is checked below.
    id = (document as { readonly ID?: unknown } | null)?.ID;
  } catch {
    // Not JSON: said below.
  }
  if (typeof id === 'string' && /^[\w-]+$/.test(id)) return id;
  throw new SluiceError(
    'registry_refused',
    `registry: /v1/session/create answered ${reply.status} without an ID; is it a Consul-compatible registry?`,
  );
}
