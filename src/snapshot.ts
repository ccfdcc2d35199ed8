// The face of the snapshot module: what survives a restart, and who may use the folder it is in.

export { lockStateDir, type StateLock } from './snapshot/lock.ts';
export { openSnapshot, type Snapshot } from './snapshot/snapshot.ts';
export type { Memory, Override, RememberedName, RememberedVerdict } from './snapshot/state.ts';
