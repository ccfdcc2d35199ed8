// A registry of the configuration, opened: what it is called there, and what it gives. And which of
// them has the records of a server.

import { SluiceError } from '../base/errors.ts';
import type { RegistryConfig, UpstreamConfig } from '../config.ts';
import { kindOf, type OpenedSource, type RecordStore } from '../registry.ts';

export type KnownRegistry = { readonly config: RegistryConfig; readonly opened: OpenedSource };

export type ServerRecords = { readonly config: RegistryConfig; readonly store: RecordStore };

/**
 * The records of the registry that counts for a server; one of the file alone (`registry` is '') gets its
 * record in the first that has any. @throws conflict when they cannot be written
 */
export function recordsFor(
  registries: readonly KnownRegistry[],
  { name, follows }: UpstreamConfig,
  registry: string,
): ServerRecords {
  const followed = follows.flatMap(
    (one) => registries.find(({ config }) => config.name === one.registry) ?? [],
  );
  const [first] = followed;
  if (first === undefined) {
    throw new SluiceError(
      'conflict',
      `upstream "${name}": does not follow a registry; change the weight in the config file`,
    );
  }
  const { config, opened } =
    registry === ''
      ? (followed.find((one) => one.opened.store !== undefined) ?? first)
      : (followed.find((one) => one.config.name === registry) ?? first);
  if (opened.store !== undefined) return { config, store: opened.store };
  throw new SluiceError(
    'conflict',
    `upstream "${name}": its servers come from ${config.serversIn}, which is only read; change the weight there`,
  );
}

/** Where the gateways write for each other: the first registry that has room for it. */
export function meetingPlace(registries: readonly KnownRegistry[]): ServerRecords | undefined {
  for (const { config, opened } of registries) {
    if (opened.meeting !== undefined) return { config, store: opened.meeting };
  }
  return undefined;
}

/** What other gateways may follow, in words; '' = nothing. */
export function sharedBy(registries: readonly { readonly config: RegistryConfig }[]): string {
  return registries
    .map(({ config: { settings } }) => kindOf(settings).shared(settings))
    .filter((shared) => shared !== '')
    .join(' and ');
}
