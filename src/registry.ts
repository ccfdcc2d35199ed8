export type { Instance, Membership, Problem } from './registry/instance.ts';
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
