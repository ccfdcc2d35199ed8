// The registry: which instances exist. A KV with indexes and watches, either the embedded store
// behind Consul's HTTP API or a real Consul; both are reached through the same client.

export { openConsul } from './registry/consul.ts';
export { type ConsulApi, serveConsulApi } from './registry/consul-server.ts';
export { embeddedRegistry, openStore, type Store } from './registry/embedded.ts';
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
export {
  type FollowOptions,
  followMembership,
  type Instance,
  type InstanceRead,
  type Membership,
  type Problem,
  readInstance,
} from './registry/records.ts';
