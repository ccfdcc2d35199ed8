// The embedded store: records in memory, every write on disk (SQLite) before it is acknowledged.
// Others reach it through Consul's HTTP API (consul-server.ts), its own process also without.

export {
  DocumentKind,
  type Stored,
  TOPIC,
  topicIndex,
  touchTopic,
} from './embedded/documents.ts';
export { type Entry, KV } from './embedded/entry.ts';
export type { KeyTable } from './embedded/key-table.ts';
export { embeddedStore } from './embedded/own-process.ts';
export { type Repair, repairStore, restoreStopped } from './embedded/repair.ts';
export { someUnder } from './embedded/sorted-map.ts';
export {
  type ChangeListener,
  checkRecordSize,
  KEY_BYTES_MAX,
  openStore,
  type Store,
} from './embedded/store.ts';
export { type Changed, type Lock, WriteGroup } from './embedded/write-group.ts';
export { VALUE_BYTES_MAX } from './record-key.ts';
