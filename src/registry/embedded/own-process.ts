// The embedded registry for the process that it runs in: reads and writes go through the same client
// as to a real Consul, so that what works with the one works with the other; its watch is the store's
// own and says which records changed.

import type { RecordStore } from '../record-store.ts';
import type { Store } from './store.ts';
import { watchStore } from './store-watch.ts';

/** `client`: of the store's own API. It is closed with the registry, the store is not. */
export function embeddedStore(client: RecordStore, store: Store): RecordStore {
  return {
    get: (key) => client.get(key),
    list: (prefix) => client.list(prefix),
    keys: async (prefix) => (await client.keys?.(prefix)) ?? [],
    holderOf: async (session) => (await client.holderOf?.(session)) ?? '',
    put: (key, value, options) => client.put(key, value, options),
    delete: (key, options) => client.delete(key, options),
    commit: (writes) => client.commit(writes),
    openLease: (options) => client.openLease(options),
    watch: (prefix, events) => watchStore(store, prefix, events),
    health: () => ({ ...client.health(), reachable: true, lastContactMs: Date.now() }),
    close: () => client.close(),
  };
}
