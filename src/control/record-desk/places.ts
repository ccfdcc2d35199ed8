// Which registry is meant, and what a key in it is for.

import type { KvOwner } from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import type { RegistryConfig } from '../../config.ts';
import type { KvEntry, RecordStore } from '../../registry.ts';
import type { KnownRegistry } from '../known-registry.ts';

export type RecordPlace = {
  readonly config: RegistryConfig;
  readonly store: RecordStore;
  /** '' = its servers are no records. */
  readonly recordPrefix: string;
  /** Of what gateways and releases write. */
  readonly ownPrefix: string;
};

/** Those that have records. */
export function recordPlaces(registries: readonly KnownRegistry[]): readonly RecordPlace[] {
  return registries.flatMap(({ config, opened }) => {
    // Some have none of servers, and still those of the gateways.
    const store = opened.store ?? opened.meeting;
    if (store === undefined) return [];
    const recordPrefix = opened.store === undefined ? '' : config.prefix;
    return [{ config, store, recordPrefix, ownPrefix: config.gateways.prefix }];
  });
}

/** `name`: '' = the first that has any. @throws not_found */
export function placeOf(registries: readonly KnownRegistry[], name: string): RecordPlace {
  const places = recordPlaces(registries);
  const found = name === '' ? places[0] : places.find(({ config }) => config.name === name);
  if (found !== undefined) return found;
  const names = places.map(({ config }) => config.name).join(', ') || 'none';
  const what = name === '' ? 'there is no registry with records' : `registry "${name}"`;
  throw new SluiceError('not_found', `${what}: no records can be read here; known: ${names}`);
}

export function ownerOf({ recordPrefix, ownPrefix }: RecordPlace, key: string): KvOwner {
  if (recordPrefix !== '' && key.startsWith(recordPrefix)) return 'server';
  return key.startsWith(ownPrefix) ? 'sluice' : 'other';
}

/** The keys alone where the registry knows that question. */
export async function keysUnder(
  { store }: RecordPlace,
  prefix: string,
): Promise<readonly string[]> {
  if (store.keys !== undefined) return store.keys(prefix);
  return (await store.list(prefix)).entries.map(({ key }) => key);
}

/** Of entries that are to be removed together: rises with every write among them. */
export function newestIndex(entries: readonly KvEntry[]): number {
  return entries.reduce((newest, { modifyIndex }) => Math.max(newest, modifyIndex), 0);
}
