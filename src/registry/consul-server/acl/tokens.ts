// Tokens: a secret and what it stands for. How they are kept, read from a body and shown.

import { DocumentKind, type KeyTable, type Stored } from '../../embedded.ts';
import { type GoType, goJson, knownMembers, parseGoJson, Refused, textMember } from '../go.ts';
import { parseGoDuration } from '../http.ts';
import {
  type Bundle,
  type BundleBody,
  bundleFields,
  type Link,
  parseBundle,
  parseLinks,
} from './bundles.ts';
import { hashOf } from './policies.ts';
import { ROLES } from './roles.ts';

export type Token = Bundle & {
  readonly secretId: string;
  readonly description: string;
  /** Ids. */
  readonly roles: readonly string[];
  /** Made by the calls of before Consul 1.4: it has rules of its own, whose names are all prefixes. */
  readonly legacy?: { readonly type: 'client' | 'management'; readonly rules: string };
  readonly local: boolean;
  /** Times as RFC 3339 writes them; '' for a token that never expires. */
  readonly expirationTime: string;
  readonly createTime: string;
};

/** Programs make tokens for every job, and forget them; Consul has no limit. */
const LIMITS = { most: 10_000, lengthMax: 65_536 };

/** The id is the token's AccessorID. */
export const TOKENS = new DocumentKind<Token>('acl-token', (json) => json as Token, LIMITS);

/** What a request without a token is. */
export const ANONYMOUS_ID = '00000000-0000-0000-0000-000000000002';
export const ANONYMOUS_SECRET = 'anonymous';

export const NEVER = '0001-01-01T00:00:00Z';

/** A token that may do nothing and does not expire. */
export const NOTHING = {
  ...{ policies: [], roles: [], serviceIdentities: [], nodeIdentities: [] },
  ...{ local: false, expirationTime: '', createTime: NEVER },
} as const;

const ANONYMOUS: Stored<Token> = {
  id: ANONYMOUS_ID,
  value: {
    ...NOTHING,
    ...{ secretId: ANONYMOUS_SECRET, description: 'Anonymous Token' },
  },
  createIndex: 1,
  modifyIndex: 1,
};

export function isExpired({ value }: Stored<Token>, wallMs: number): boolean {
  return value.expirationTime !== '' && Date.parse(value.expirationTime) <= wallMs;
}

export function findToken(table: KeyTable, id: string): Stored<Token> | undefined {
  return TOKENS.find(table, id) ?? (id === ANONYMOUS_ID ? ANONYMOUS : undefined);
}

/** In the order in which they were created. */
export function listTokens(table: KeyTable): readonly Stored<Token>[] {
  const kept = TOKENS.list(table);
  const all = kept.some(({ id }) => id === ANONYMOUS_ID) ? kept : [ANONYMOUS, ...kept];
  return all.toSorted((left, right) => left.createIndex - right.createIndex);
}

export type TokenBody = BundleBody &
  Pick<Token, 'secretId' | 'description' | 'local' | 'expirationTime'> & {
    readonly accessorId: string;
    readonly roles: readonly Link[];
    readonly authMethod: string;
    /** 0: none was given. */
    readonly expirationTtlMs: number;
    readonly expirationTtl: string;
  };

const FIELDS = [
  ...['accessorid', 'secretid', 'id', 'description', 'policies', 'roles', 'serviceidentities'],
  ...['nodeidentities', 'local', 'authmethod', 'expirationtime', 'expirationttl', 'createtime'],
  ...['hash', 'createindex', 'modifyindex', 'rules'],
];
const WHOLE: GoType = { place: 'value', type: 'structs.ACLToken' };

/** @throws Refused */
export function parseToken(text: string): TokenBody {
  if (text.trim() === '') throw new Refused('EOF');
  const json = parseGoJson(text);
  const members = json === null ? new Map<string, unknown>() : knownMembers(json, FIELDS, WHOLE);
  const ttl = members.get('expirationttl') ?? null;
  const expirationTtl = typeof ttl === 'string' ? ttl : '';
  return {
    accessorId: textMember(members, 'AccessorID', ''),
    secretId: textMember(members, 'SecretID', ''),
    description: textMember(members, 'Description', ''),
    ...parseBundle(members, 'structs.ACLTokenPolicyLink'),
    roles: parseLinks(members, 'Roles', 'structs.ACLTokenRoleLink'),
    local: members.get('local') === true,
    authMethod: textMember(members, 'AuthMethod', ''),
    expirationTime: timeOf(textMember(members, 'ExpirationTime', '')),
    expirationTtl,
    expirationTtlMs: durationOf(expirationTtl),
  };
}

function durationOf(text: string): number {
  if (text === '') return 0;
  const ms = parseGoDuration(text);
  if (ms === undefined) throw new Refused(`time: invalid duration ${JSON.stringify(text)}`);
  return ms;
}

function timeOf(text: string): string {
  if (text === '' || text === NEVER) return '';
  if (/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[-+]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))) {
    return text;
  }
  throw new Refused(
    `parsing time "${JSON.stringify(text)}" as ""2006-01-02T15:04:05Z07:00"": cannot parse ${JSON.stringify(text)}" as "2006"`,
  );
}

export type Shown = {
  /** In a list there is no secret. */
  readonly secret: 'shown' | 'hidden' | 'absent';
};

export function tokenJson(table: KeyTable, token: Stored<Token>, { secret }: Shown): string {
  return goJson(tokenFields(table, token, secret));
}

/** The fields in the order in which Consul writes them. */
export function tokenFields(
  table: KeyTable,
  { id, value, createIndex, modifyIndex }: Stored<Token>,
  secret: Shown['secret'],
): Record<string, unknown> {
  const roles = value.roles.flatMap((role) => {
    const found = ROLES.find(table, role);
    return found === undefined ? [] : [{ ID: role, Name: found.value.name }];
  });
  const bundle = bundleFields(table, value, roles);
  const { legacy } = value;
  return {
    AccessorID: legacy === undefined ? id : '',
    ...(secret === 'absent' ? {} : { SecretID: secret === 'hidden' ? '<hidden>' : value.secretId }),
    Description: value.description,
    ...bundle,
    ...(legacy === undefined || legacy.rules === '' || secret === 'absent'
      ? {}
      : { Rules: legacy.rules }),
    Local: value.local,
    ...(value.expirationTime === '' ? {} : { ExpirationTime: value.expirationTime }),
    CreateTime: value.createTime,
    Hash: hashOf([value.description, bundle, legacy, value.local]),
    CreateIndex: createIndex,
    ModifyIndex: modifyIndex,
    ...(legacy !== undefined && secret === 'absent' ? { Legacy: true } : {}),
  };
}
