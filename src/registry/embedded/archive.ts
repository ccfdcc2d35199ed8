// Snapshots of the whole store: saved while it runs, restored into this or another one.

export { type Archived, packArchive, unpackArchive } from './archive/archive.ts';
export { freeze } from './archive/lines.ts';
export { replaceContent } from './archive/replace.ts';
