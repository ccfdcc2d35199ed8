// Tokens: a secret and what it stands for. How they are kept, read from a body and shown.

import { DocumentKind, type KeyTable, type Stored } from '../../embedded.ts';
import {
  type GoType,
  knownMembers,
  membersOf,
  mismatch,
  parseGoJson,
  Refused,
  textMember,
} from '../go-json.ts';
import { goJson } from '../kv-json.ts';
import { parseGoDuration } from '../request-target.ts';
import { findPolicy, hashOf, textsOf } from './policies.ts';

export type ServiceIdentity = {
  readonly serviceName: string;
  readonly datacenters: readonly string[] | null;
};
export type NodeIdentity = { readonly nodeName: string; readonly datacenter: string };

export type Token = {
  readonly secretId: string;
  readonly description: string;
  /** Ids. */
  readonly policies: readonly string[];
  readonly serviceIdentities: readonly ServiceIdentity[];
  readonly nodeIdentities: readonly NodeIdentity[];
  readonly local: boolean;
  /** Times as RFC 3339 writes them; '' for a token that never expires. */
  readonly expirationTime: string;
  readonly createTime: string;
};

/** The id is the token's AccessorID. */
export const TOKENS = new DocumentKind<Token>('acl-token', (json) => json as Token);

/** What a request without a token is. */
export const ANONYMOUS_ID = '00000000-0000-0000-0000-000000000002';
export const ANONYMOUS_SECRET = 'anonymous';

const NEVER = '0001-01-01T00:00:00Z';

const ANONYMOUS: Stored<Token> = {
  id: ANONYMOUS_ID,
  value: {
    ...{ secretId: ANONYMOUS_SECRET, description: 'Anonymous Token', policies: [] },
    ...{ serviceIdentities: [], nodeIdentities: [], local: false },
    ...{ expirationTime: '', createTime: NEVER },
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

export type PolicyLink = { readonly id: string; readonly name: string };

export type TokenBody = Pick<
  Token,
  'secretId' | 'description' | 'serviceIdentities' | 'nodeIdentities' | 'local' | 'expirationTime'
> & {
  readonly accessorId: string;
  readonly policies: readonly PolicyLink[];
  readonly roles: readonly PolicyLink[];
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
  const each = <Item>(name: string, type: string, read: (item: unknown) => Item): Item[] => {
    const value = members.get(name.toLowerCase()) ?? null;
    if (value === null) return [];
    const place = `struct field .${name}`;
    if (!Array.isArray(value)) throw mismatch(value, place, `[]${type}`);
    return value.map(read);
  };
  const link = (name: string, type: string): PolicyLink[] =>
    each(name, type, (item) => {
      const fields = membersOf(item, { place: `struct field .${name}`, type });
      return { id: textMember(fields, 'ID', type), name: textMember(fields, 'Name', type) };
    });
  const ttl = members.get('expirationttl') ?? null;
  const expirationTtl = typeof ttl === 'string' ? ttl : '';
  return {
    accessorId: textMember(members, 'AccessorID', ''),
    secretId: textMember(members, 'SecretID', ''),
    description: textMember(members, 'Description', ''),
    policies: link('Policies', 'structs.ACLTokenPolicyLink'),
    roles: link('Roles', 'structs.ACLTokenRoleLink'),
    serviceIdentities: each('ServiceIdentities', '*structs.ACLServiceIdentity', (item) => {
      const type = 'structs.ACLServiceIdentity';
      const fields = membersOf(item, { place: 'struct field .ServiceIdentities', type });
      return {
        serviceName: textMember(fields, 'ServiceName', type),
        datacenters: textsOf(fields.get('datacenters') ?? null, 'ServiceIdentities.Datacenters'),
      };
    }),
    nodeIdentities: each('NodeIdentities', '*structs.ACLNodeIdentity', (item) => {
      const type = 'structs.ACLNodeIdentity';
      const fields = membersOf(item, { place: 'struct field .NodeIdentities', type });
      return {
        nodeName: textMember(fields, 'NodeName', type),
        datacenter: textMember(fields, 'Datacenter', type),
      };
    }),
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
  // A policy that was deleted since is no longer among them.
  const policies = value.policies.flatMap((policy) => {
    const found = findPolicy(table, policy);
    return found === undefined ? [] : [{ ID: policy, Name: found.value.name }];
  });
  const services = value.serviceIdentities.map(({ serviceName, datacenters }) => ({
    ServiceName: serviceName,
    ...(datacenters === null || datacenters.length === 0 ? {} : { Datacenters: datacenters }),
  }));
  const nodes = value.nodeIdentities.map(({ nodeName, datacenter }) => ({
    ...{ NodeName: nodeName, Datacenter: datacenter },
  }));
  return {
    AccessorID: id,
    ...(secret === 'absent' ? {} : { SecretID: secret === 'hidden' ? '<hidden>' : value.secretId }),
    Description: value.description,
    ...(policies.length === 0 ? {} : { Policies: policies }),
    ...(services.length === 0 ? {} : { ServiceIdentities: services }),
    ...(nodes.length === 0 ? {} : { NodeIdentities: nodes }),
    Local: value.local,
    ...(value.expirationTime === '' ? {} : { ExpirationTime: value.expirationTime }),
    CreateTime: value.createTime,
    Hash: hashOf([value.description, policies, services, nodes, value.local]),
    CreateIndex: createIndex,
    ModifyIndex: modifyIndex,
  };
}
