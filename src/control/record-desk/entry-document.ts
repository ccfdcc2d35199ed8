// A record as a page shows it: its value where the role goes that far, and what gateways read in it.

import type { KvDecoded, KvEntryDocument } from '../../admin.ts';
import { holdsConfiguration } from '../../ledger.ts';
import { mayAct, type Role } from '../../model.ts';
import { type KvEntry, readInstance } from '../../registry.ts';
import { ownerOf, type RecordPlace } from './places.ts';

const NOBODYS = { flags: '0', modifyIndex: 0, createIndex: 0, lockIndex: 0 } as const;

export function entryDocument(
  place: RecordPlace,
  asked: {
    readonly key: string;
    readonly entry: KvEntry | undefined;
    readonly role: Role;
    readonly holder: string;
  },
): KvEntryDocument {
  const { key, entry, role, holder } = asked;
  const owner = ownerOf(place, key);
  const withheld = entry !== undefined && !mayAct(role, roleForValue(place, key));
  const { text, isText } = readText(entry?.value ?? new Uint8Array());
  const { flags, modifyIndex, createIndex, lockIndex } = entry ?? NOBODYS;
  const session = entry?.session ?? '';
  const read =
    entry === undefined || owner !== 'server' ? NOTHING : decode(place, key, entry.value);
  return {
    ...{ registry: place.config.name, key, exists: entry !== undefined, owner },
    value: entry === undefined || withheld ? null : text,
    ...{ base64: !isText, bytes: entry?.value.length ?? 0, withheld, flags, index: modifyIndex },
    ...{ createIndex, lockIndex, session, holder, ...read },
    warnings: [ownWarning(place, key), heldWarning(session, holder)].filter(Boolean),
  };
}

/**
 * The least that a token needs to see a value. Servers and what gateways say of them are no secret; what
 * others keep in the registry may be one, and so may the configuration of a release.
 */
function roleForValue(place: RecordPlace, key: string): Role {
  switch (ownerOf(place, key)) {
    case 'server':
      return 'read';
    case 'sluice':
      return holdsConfiguration(place.ownPrefix, key) ? 'release' : 'read';
    case 'other':
      return 'operate';
  }
}

const NOTHING = { decoded: null, problems: [] };

function decode(
  { recordPrefix }: RecordPlace,
  key: string,
  value: Uint8Array,
): { readonly decoded: KvDecoded | null; readonly problems: readonly string[] } {
  if (key.endsWith('/')) return NOTHING;
  const read = readInstance(key, value, recordPrefix);
  if ('problem' in read) return { decoded: null, problems: [read.problem.message] };
  const { service, id, weight, maxFails, failTimeoutMs, backup, down } = read.instance;
  const { maxConns = 0, isIntentDown = false } = read.instance;
  return {
    decoded: {
      ...{ upstream: service, server: id, weight, maxFails, failTimeoutMs, maxConns, backup, down },
      isIntentDown,
    },
    problems: read.problems.map(({ message }) => message),
  };
}

/** '' = it is not sluice's own. */
export function ownWarning(place: RecordPlace, key: string): string {
  return ownerOf(place, key) === 'sluice'
    ? "it is sluice's own: what gateways and releases know of each other; whoever changes it can break a release that runs"
    : '';
}

/** '' = nobody holds it. */
export function heldWarning(session: string, holder: string): string {
  const whose = holder === '' ? session : holder;
  return session === '' ? '' : `it is held by ${whose}, who may write it again or take it away`;
}

/** What is not UTF-8 as base64. */
function readText(value: Uint8Array): { readonly text: string; readonly isText: boolean } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
    return { text, isText: true };
  } catch {
    return { text: Buffer.from(value).toString('base64'), isText: false };
  }
}
