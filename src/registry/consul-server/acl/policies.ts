// Policies: named sets of rules. How they are kept, read from a body and shown.

import { createHash } from 'node:crypto';
import { DocumentKind, type KeyTable, type Stored } from '../../embedded.ts';
import { type GoType, goJson, knownMembers, mismatch, parseGoJson, textMember } from '../go.ts';
import { parseRules, type Rule } from './rules.ts';

export type Policy = {
  readonly name: string;
  readonly description: string;
  readonly rules: string;
  /** Where it holds; null: everywhere. */
  readonly datacenters: readonly string[] | null;
};

export const POLICIES = new DocumentKind<Policy>('acl-policy', (json) => json as Policy);

/** The policy that is always there and allows everything. */
export const MANAGEMENT_ID = '00000000-0000-0000-0000-000000000001';

const MANAGEMENT_RULES = [
  'acl = "write"',
  ...['agent', 'event', 'key'].map((kind) => `${kind}_prefix "" {\n\tpolicy = "write"\n}`),
  'keyring = "write"',
  'node_prefix "" {\n\tpolicy = "write"\n}',
  'operator = "write"',
  'query_prefix "" {\n\tpolicy = "write"\n}',
  'service_prefix "" {\n\tpolicy = "write"\n\tintentions = "write"\n}',
  'session_prefix "" {\n\tpolicy = "write"\n}',
];

const MANAGEMENT: Stored<Policy> = {
  id: MANAGEMENT_ID,
  value: {
    name: 'global-management',
    description: 'Builtin Policy that grants unlimited access',
    rules: `\n${MANAGEMENT_RULES.join('\n')}`,
    datacenters: null,
  },
  createIndex: 1,
  modifyIndex: 1,
};

export function findPolicy(table: KeyTable, id: string): Stored<Policy> | undefined {
  return POLICIES.find(table, id) ?? (id === MANAGEMENT_ID ? MANAGEMENT : undefined);
}

export function findPolicyNamed(table: KeyTable, name: string): Stored<Policy> | undefined {
  return listPolicies(table).find(({ value }) => value.name === name);
}

/** In the order in which they were created. */
export function listPolicies(table: KeyTable): readonly Stored<Policy>[] {
  const kept = POLICIES.list(table);
  const all = kept.some(({ id }) => id === MANAGEMENT_ID) ? kept : [MANAGEMENT, ...kept];
  return all.toSorted((left, right) => left.createIndex - right.createIndex);
}

const parsed = new WeakMap<Policy, readonly Rule[]>();

/** Its rules in this data centre. They were read when it was written. */
export function rulesOfPolicy({ value }: Stored<Policy>, datacenter: string): readonly Rule[] {
  if (value.datacenters?.includes(datacenter) === false) return [];
  let rules = parsed.get(value);
  if (rules === undefined) {
    rules = parseRules(value.rules);
    parsed.set(value, rules);
  }
  return rules;
}

export type PolicyBody = Policy & { readonly id: string };

const FIELDS = [
  ...['id', 'name', 'description', 'rules', 'datacenters', 'hash', 'createindex', 'modifyindex'],
];
const WHOLE: GoType = { place: 'value', type: 'structs.ACLPolicy' };

/** @throws Refused */
export function parsePolicy(text: string): PolicyBody {
  const json = parseGoJson(text);
  const members = json === null ? new Map<string, unknown>() : knownMembers(json, FIELDS, WHOLE);
  return {
    id: textMember(members, 'ID', ''),
    name: textMember(members, 'Name', ''),
    description: textMember(members, 'Description', ''),
    rules: textMember(members, 'Rules', ''),
    datacenters: textsOf(members.get('datacenters') ?? null, 'Datacenters'),
  };
}

/** @throws Refused */
export function textsOf(value: unknown, name: string): readonly string[] | null {
  if (value === null) return null;
  const place = `struct field .${name}`;
  if (!Array.isArray(value)) throw mismatch(value, place, '[]string');
  return value.map((item: unknown) => {
    if (typeof item === 'string') return item;
    throw mismatch(item, place, 'string');
  });
}

export function policyJson({ id, value, createIndex, modifyIndex }: Stored<Policy>): string {
  const { name, description, rules, datacenters } = value;
  const limits = datacenters === null ? {} : { Datacenters: datacenters };
  const fields = { ID: id, Name: name, Description: description, Rules: rules, ...limits };
  return goJson({
    ...fields,
    Hash: hashOf(value),
    CreateIndex: createIndex,
    ModifyIndex: modifyIndex,
  });
}

/** In a list: without the rules. */
export function policyStubJson({ id, value, createIndex, modifyIndex }: Stored<Policy>): string {
  const { name, description, datacenters } = value;
  return goJson({
    ...{ ID: id, Name: name, Description: description, Datacenters: datacenters },
    Hash: hashOf(value),
    CreateIndex: createIndex,
    ModifyIndex: modifyIndex,
  });
}

/** Equal contents, equal hash; it is of our own making. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}
