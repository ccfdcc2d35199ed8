// The registry: which servers exist. A source is followed (MembershipSource); most sources are records
// in a store that can be written (RecordStore), of our own or of a Consul, both behind one client.

export { type ConsulAccess, openConsul, type TlsSettings } from './registry/consul.ts';
export { type ConsulApi, serveConsulApi } from './registry/consul-server.ts';
export {
  embeddedStore,
  openStore,
  type Repair,
  repairStore,
  restoreStopped,
  type Store,
} from './registry/embedded.ts';
export { type EtcdApi, type EtcdOptions, type EtcdTls, openEtcd } from './registry/etcd.ts';
export type {
  FollowedServices,
  Follower,
  FollowOptions,
  MembershipSource,
  SourceHealth,
} from './registry/membership-source.ts';
export {
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
} from './registry/record-store.ts';
export {
  INTENT_NOTE,
  type Instance,
  type InstanceRead,
  type Membership,
  type RecordProblem,
  readInstance,
  readKey,
  recordOf,
  recordSource,
} from './registry/records.ts';
export {
  kindOf,
  type OpenContext,
  type OpenedSource,
  type RegistryKind,
  type RegistrySettings,
} from './registry/sources.ts';
