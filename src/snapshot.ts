export { lockStateDir, type StateLock } from './snapshot/lock.ts';
export { openSnapshot, type Snapshot } from './snapshot/snapshot.ts';
export type { Memory, Override, RememberedVerdict } from './snapshot/state.ts';
