// Servers from a file that people or programs write and that is followed as it changes.

export { fileSource, type ReadDocument } from './file/file-source.ts';
