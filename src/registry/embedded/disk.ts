// The store on disk. store.ts decides when something is written; here is how, and how it is found out
// that what is on the disk is no longer what was written.

export { Database } from './disk/database.ts';
export { entryOf, isIntact, type Row, rowOf, TOMBSTONE, tombstoneEntry } from './disk/rows.ts';
export { salvage, setAside } from './disk/salvage.ts';
export { isDamage } from './disk/trouble.ts';
