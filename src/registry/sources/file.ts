// A file of servers, followed as it changes. It is only read: its servers are written by whoever writes
// the file, a person or a program.

import { fileSource } from '../file.ts';
import type { SourceKind } from './source-kind.ts';

export type FileSettings = {
  readonly kind: 'file';
  /** Absolute. */
  readonly path: string;
};

export const file: SourceKind<FileSettings> = {
  describe: ({ path }) => `file ${path}`,
  // On a disk that machines share others may read it too, but that cannot be seen from here.
  shared: () => '',
  withoutSecrets: (settings) => settings,
  // A list may come later: it is watched.
  checkFiles: () => {},
  openStore: () => undefined,
  open: async ({ path }, { log, readDocument }) => ({
    source: fileSource({ path, log, readDocument }),
    store: undefined,
    meeting: undefined,
    address: undefined,
    close: async () => {},
  }),
};
