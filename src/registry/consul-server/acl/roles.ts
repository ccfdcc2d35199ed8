// Roles: named bundles of policies and identities that tokens may link.

import { DocumentKind, type KeyTable, type Stored } from '../../embedded.ts';
import { type GoType, goJson, knownMembers, parseGoJson, textMember } from '../go.ts';
import { type Bundle, type BundleBody, bundleFields, parseBundle } from './bundles.ts';
import { hashOf } from './policies.ts';

export type Role = Bundle & { readonly name: string; readonly description: string };

export const ROLES = new DocumentKind<Role>('acl-role', (json) => json as Role);

export function findRoleNamed(table: KeyTable, name: string): Stored<Role> | undefined {
  return ROLES.list(table).find(({ value }) => value.name === name);
}

export type RoleBody = BundleBody & {
  readonly id: string;
  readonly name: string;
  readonly description: string;
};

const FIELDS = [
  ...['id', 'name', 'description', 'policies', 'serviceidentities', 'nodeidentities'],
  ...['hash', 'createindex', 'modifyindex'],
];
const WHOLE: GoType = { place: 'value', type: 'structs.ACLRole' };

/** @throws Refused */
export function parseRole(text: string): RoleBody {
  const json = parseGoJson(text);
  const members = json === null ? new Map<string, unknown>() : knownMembers(json, FIELDS, WHOLE);
  return {
    id: textMember(members, 'ID', ''),
    name: textMember(members, 'Name', ''),
    description: textMember(members, 'Description', ''),
    ...parseBundle(members, 'structs.ACLRolePolicyLink'),
  };
}

export function roleJson(table: KeyTable, role: Stored<Role>): string {
  const { id, value, createIndex, modifyIndex } = role;
  return goJson({
    ...{ ID: id, Name: value.name, Description: value.description },
    ...bundleFields(table, value),
    ...{ Hash: hashOf(value), CreateIndex: createIndex, ModifyIndex: modifyIndex },
  });
}
