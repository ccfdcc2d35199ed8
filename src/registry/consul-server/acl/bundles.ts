// What tokens and roles have in common: policies, and identities of services and nodes.

import type { KeyTable, WriteGroup } from '../../embedded.ts';
import { membersOf, mismatch, textMember } from '../go.ts';
import { Unfit } from './acl-request.ts';
import { findPolicy, findPolicyNamed, rulesOfPolicy, textsOf } from './policies.ts';
import type { Rule } from './rules.ts';

export type ServiceIdentity = {
  readonly serviceName: string;
  readonly datacenters: readonly string[] | null;
};
export type NodeIdentity = { readonly nodeName: string; readonly datacenter: string };

export type Bundle = {
  /** Ids. */
  readonly policies: readonly string[];
  readonly serviceIdentities: readonly ServiceIdentity[];
  readonly nodeIdentities: readonly NodeIdentity[];
};

/** Either may be ''. */
export type Link = { readonly id: string; readonly name: string };

export type BundleBody = Omit<Bundle, 'policies'> & { readonly policies: readonly Link[] };

/** @throws Refused */
export function parseBundle(members: ReadonlyMap<string, unknown>, linkType: string): BundleBody {
  return {
    policies: parseLinks(members, 'Policies', linkType),
    serviceIdentities: each(members, 'ServiceIdentities', '*structs.ACLServiceIdentity', (item) => {
      const type = 'structs.ACLServiceIdentity';
      const fields = membersOf(item, { place: 'struct field .ServiceIdentities', type });
      return {
        serviceName: textMember(fields, 'ServiceName', type),
        datacenters: textsOf(fields.get('datacenters') ?? null, 'ServiceIdentities.Datacenters'),
      };
    }).sort((left, right) => (left.serviceName < right.serviceName ? -1 : 1)),
    nodeIdentities: each(members, 'NodeIdentities', '*structs.ACLNodeIdentity', (item) => {
      const type = 'structs.ACLNodeIdentity';
      const fields = membersOf(item, { place: 'struct field .NodeIdentities', type });
      return {
        nodeName: textMember(fields, 'NodeName', type),
        datacenter: textMember(fields, 'Datacenter', type),
      };
    }),
  };
}

/** @throws Refused */
export function parseLinks(
  members: ReadonlyMap<string, unknown>,
  name: string,
  type: string,
): readonly Link[] {
  return each(members, name, type, (item) => {
    const fields = membersOf(item, { place: `struct field .${name}`, type });
    return { id: textMember(fields, 'ID', type), name: textMember(fields, 'Name', type) };
  });
}

function each<Item>(
  members: ReadonlyMap<string, unknown>,
  name: string,
  type: string,
  read: (item: unknown) => Item,
): Item[] {
  const value = members.get(name.toLowerCase()) ?? null;
  if (value === null) return [];
  if (!Array.isArray(value)) throw mismatch(value, `struct field .${name}`, `[]${type}`);
  return value.map(read);
}

const NAME = /^[A-Za-z0-9]([A-Za-z0-9\-_]*[A-Za-z0-9])?$/;

/** What the links mean, each policy once. `what`: token, role. @throws Unfit */
export function checkedBundle({ table }: WriteGroup, body: BundleBody, what: string): Bundle {
  const policies = new Set(body.policies.map((link) => policyOf(table, link)));
  for (const { serviceName } of body.serviceIdentities) {
    if (serviceName === '') {
      throw new Unfit(`Service identity is missing the service name field on this ${what}`);
    }
    checkName('Service', serviceName);
  }
  for (const { nodeName, datacenter } of body.nodeIdentities) {
    const missing = nodeName === '' ? 'node name' : datacenter === '' ? 'datacenter' : '';
    if (missing !== '') {
      throw new Unfit(`Node identity is missing the ${missing} field on this ${what}`);
    }
    checkName('Node', nodeName);
  }
  const { serviceIdentities, nodeIdentities } = body;
  return { policies: [...policies], serviceIdentities, nodeIdentities };
}

function checkName(what: string, name: string): void {
  if (NAME.test(name)) return;
  throw new Unfit(
    `${what} identity "${name}" has an invalid name. Only alphanumeric characters, '-' and '_' are allowed`,
  );
}

function policyOf(table: KeyTable, { id, name }: Link): string {
  const policy = id === '' ? findPolicyNamed(table, name) : findPolicy(table, id);
  if (policy !== undefined) return policy.id;
  throw new Unfit(`No such ACL policy with ${id === '' ? `name "${name}"` : `ID "${id}"`}`);
}

/** The rules that follow from it in this data centre. */
export function* rulesOfBundle(
  table: KeyTable,
  { policies, serviceIdentities, nodeIdentities }: Bundle,
  ownDatacenter: string,
): Generator<Rule> {
  for (const id of policies) {
    const policy = findPolicy(table, id);
    if (policy !== undefined) yield* rulesOfPolicy(policy, ownDatacenter);
  }
  for (const { serviceName, datacenters } of serviceIdentities) {
    const isHere = datacenters === null || datacenters.length === 0;
    if (!isHere && !datacenters.includes(ownDatacenter)) continue;
    for (const name of [serviceName, `${serviceName}-sidecar-proxy`]) {
      yield { resource: 'service', name, prefix: false, granted: 'write' };
    }
    yield { resource: 'service', name: '', prefix: true, granted: 'read' };
    yield { resource: 'node', name: '', prefix: true, granted: 'read' };
  }
  for (const { nodeName, datacenter } of nodeIdentities) {
    if (datacenter !== ownDatacenter) continue;
    yield { resource: 'node', name: nodeName, prefix: false, granted: 'write' };
    yield { resource: 'service', name: '', prefix: true, granted: 'read' };
  }
}

/** As Consul shows it: empty lists are left out, and policies that were deleted since. */
export function bundleFields(
  table: KeyTable,
  { policies, serviceIdentities, nodeIdentities }: Bundle,
  roles: readonly unknown[] = [],
): Readonly<Record<string, unknown>> {
  const links = policies.flatMap((id) => {
    const found = findPolicy(table, id);
    return found === undefined ? [] : [{ ID: id, Name: found.value.name }];
  });
  const services = serviceIdentities.map(({ serviceName, datacenters }) => ({
    ServiceName: serviceName,
    ...(datacenters === null || datacenters.length === 0 ? {} : { Datacenters: datacenters }),
  }));
  const nodes = nodeIdentities.map(({ nodeName, datacenter }) => ({
    ...{ NodeName: nodeName, Datacenter: datacenter },
  }));
  return {
    ...(links.length === 0 ? {} : { Policies: links }),
    ...(roles.length === 0 ? {} : { Roles: roles }),
    ...(services.length === 0 ? {} : { ServiceIdentities: services }),
    ...(nodes.length === 0 ? {} : { NodeIdentities: nodes }),
  };
}
