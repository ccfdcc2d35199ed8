// No registry: the servers of the config file alone.

import type { SourceKind } from './source-kind.ts';

export type NoSettings = { readonly kind: 'none' };

export const none: SourceKind<NoSettings> = {
  describe: () => 'none',
  shared: () => '',
  withoutSecrets: (settings) => settings,
  checkFiles: () => {},
  openStore: () => undefined,
  open: async () => ({
    source: undefined,
    store: undefined,
    meeting: undefined,
    address: undefined,
    close: async () => {},
  }),
};
