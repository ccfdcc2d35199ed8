// The releases of a service over HTTP: the face that a gateway has, for a runner and for the verbs.

import type { AnswerOf, InputOf, ReleaseRecords, RouteName, Routes } from '../admin/contract.ts';
import { isSluiceError } from '../base/errors.ts';

/**
 * A gateway that does not answer a renewal in this time is left for the next one, ms: with its wait, and
 * as long for another gateway, it must be within the time after which a lock counts as dead.
 */
const RENEW_TIMEOUT_MS = 3000;

export type CallOptions = {
  /** The daemon may take this long by design. */
  readonly waitMs?: number;
  readonly timeoutMs?: number;
  /** Its connection is closed then: an open one keeps the process from ending. */
  readonly stop?: AbortSignal | undefined;
};

export type Call = <Name extends RouteName>(
  name: Name,
  input: InputOf<Routes[Name]>,
  options?: CallOptions,
) => Promise<AnswerOf<Routes[Name]>>;

export function releaseClient(call: Call): ReleaseRecords {
  return {
    take: async (service, body) => {
      try {
        return await call('takeLock', { service, body });
      } catch (error) {
        // An older gateway does not know the route: its releases are kept by their runners.
        if (isSluiceError(error) && isNoSuchPage(error.message)) return NOT_SHARED;
        throw error;
      }
    },
    renew: (service, body, stop) => {
      const { waitMs } = body;
      return call('renewLock', { service, body }, { waitMs, timeoutMs: RENEW_TIMEOUT_MS, stop });
    },
    append: async (service, body) => {
      await call('appendRecords', { service, body });
    },
    close: async (service, body) => {
      await call('closeRelease', { service, body });
    },
    command: async (service, body) => (await call('commandRelease', { service, body })).release,
    history: async (service) => {
      try {
        return await call('releases', { service });
      } catch (error) {
        if (isSluiceError(error) && isNoSuchPage(error.message)) return NO_HISTORY;
        throw error;
      }
    },
    journal: (service, release) => call('releaseJournal', { service, release: release || NEWEST }),
    instances: (service) => call('instanceRecords', { service }),
    putInstance: async (service, instance, body) => {
      await call('putInstanceRecord', { service, instance, body });
    },
  };
}

/** A path has no empty names. */
const NEWEST = 'newest';
const NOT_SHARED = { shared: false, release: '', number: 0, fence: 0, nextSeq: 0 } as const;
const NO_HISTORY = { shared: false, lock: null, stale: false, releases: [] } as const;

function isNoSuchPage(message: string): boolean {
  return /^\/api\/releases\/\S*: no such page/.test(message);
}
