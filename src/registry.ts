// The registry: which instances exist. A KV with indexes and watches, either the embedded store
// behind Consul's HTTP API or a real Consul; both are reached through the same client.

export { type ConsulApi, serveConsulApi } from './registry/consul-api.ts';
export { openConsul } from './registry/consul-client.ts';
export { embeddedRegistry } from './registry/embedded.ts';
export type { Instance, Membership, Problem } from './registry/instance.ts';
export { type InstanceRead, readInstance } from './registry/instance-record.ts';
export type {
  DeleteOptions,
  KvEntry,
  KvState,
  PutOptions,
  Registry,
  RegistryHealth,
  Watch,
  WatchEvents,
} from './registry/kv.ts';
export { type FollowOptions, followMembership } from './registry/membership.ts';
export { openStore, type Store } from './registry/store.ts';
