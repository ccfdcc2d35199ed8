// The rules of a policy, and what a set of them allows. Pure. Of all rules for a resource the exact name
// counts, otherwise the longest prefix. Where policies say different things of the same name, deny wins,
// then write, list, read. What no rule names is denied, unless all is allowed by default.

import type { Access, Resource, Rights } from '../rights.ts';
import { HclError, type Item, parseHcl } from './hcl.ts';

type Granted = Access | 'deny';

export type Rule = {
  readonly resource: Resource;
  /** Undefined: of a resource without names. */
  readonly name: string;
  /** All names that begin like `name`. */
  readonly prefix: boolean;
  readonly granted: Granted;
};

/** Of each kind of resource with names, what Consul calls its rule and the field of the name. */
const NAMED: Readonly<Record<string, readonly [rule: string, name: string, tail: string]>> = {
  agent: ['AgentRule', 'Node', ''],
  event: ['EventRule', 'Event', ''],
  key: ['KeyRule', 'Prefix', ', EnterpriseRule:acl.EnterpriseRule{}'],
  node: ['NodeRule', 'Name', ', EnterpriseRule:acl.EnterpriseRule{}'],
  query: ['PreparedQueryRule', 'Prefix', ''],
  service: ['ServiceRule', 'Name', ', Intentions:"", EnterpriseRule:acl.EnterpriseRule{}'],
  session: ['SessionRule', 'Node', ''],
};
const SINGLE: readonly string[] = ['acl', 'keyring', 'operator'];
/** Of newer versions of Consul, for things that are not here. */
const IGNORED: readonly string[] = ['mesh', 'peering', 'identity', 'identity_prefix'];

/** `prefixes`: as before Consul 1.4, when every name was a prefix. @throws HclError, with Consul's words where it has any */
export function parseRules(text: string, names?: 'prefixes'): readonly Rule[] {
  let items: readonly Item[];
  try {
    items = parseHcl(text);
  } catch (error) {
    if (!(error instanceof HclError)) throw error;
    throw new HclError(`Failed to parse ACL rules: ${error.message}`);
  }
  const rules = items.flatMap(rulesOf);
  return names === undefined ? rules : rules.map((rule) => ({ ...rule, prefix: true }));
}

function rulesOf(item: Item): readonly Rule[] {
  const [kind = '', label, ...more] = item.path;
  if (IGNORED.includes(kind)) return [];
  if (SINGLE.includes(kind)) {
    const policy = typeof item.value === 'string' ? item.value : '';
    const granted = policy === 'list' ? undefined : grantedOf(policy);
    if (granted !== undefined)
      return [{ resource: asResource(kind), name: '', prefix: true, granted }];
    throw new HclError(`Invalid ${kind} policy: ${JSON.stringify(policy)}`);
  }
  const prefix = kind.endsWith('_prefix');
  const resource = prefix ? kind.slice(0, -'_prefix'.length) : kind;
  if (!(resource in NAMED)) {
    throw new HclError(`Failed to parse ACL rules: unknown rule ${JSON.stringify(kind)}`);
  }
  if (label === undefined) {
    // key = { "a" = { policy = "read" } } is the same as key "a" { policy = "read" }.
    if (typeof item.value === 'string') throw invalid(kind, resource, '', item.value);
    return item.value.flatMap(({ path, value }) => rulesOf({ path: [kind, ...path], value }));
  }
  const policy = typeof item.value === 'string' || more.length > 0 ? '' : policyOf(item.value);
  const granted = policy === 'list' && resource !== 'key' ? undefined : grantedOf(policy);
  if (granted === undefined) throw invalid(kind, resource, label, policy);
  return [{ resource: asResource(resource), name: label, prefix, granted }];
}

function policyOf(items: readonly Item[]): string {
  const value = items.find(({ path }) => path.join() === 'policy')?.value;
  return typeof value === 'string' ? value : '';
}

function grantedOf(policy: string): Granted | undefined {
  return policy === 'deny' || policy === 'read' || policy === 'list' || policy === 'write'
    ? policy
    : undefined;
}

/** The tables above hold names of resources only. */
function asResource(name: string): Resource {
  return name as Resource;
}

function invalid(kind: string, resource: string, label: string, policy: string): HclError {
  const [rule, name, tail] = NAMED[resource] ?? ['', '', ''];
  const [shown, given] = [JSON.stringify(label), JSON.stringify(policy)];
  return new HclError(
    `Invalid ${kind} policy: &acl.${rule}{${name}:${shown}, Policy:${given}${tail}}`,
  );
}

const RANK: Readonly<Record<Granted, number>> = { deny: 3, write: 2, list: 1, read: 0 };

type Names = { readonly exact: Map<string, Granted>; readonly prefixes: Map<string, Granted> };

export class RuleSet implements Pick<Rights, 'allows' | 'allowsAll'> {
  readonly #byResource = new Map<Resource, Names>();
  readonly #byDefault: boolean;

  /** `byDefault`: whether what no rule names is allowed; tokens and policies themselves never are. */
  constructor(rules: Iterable<Rule>, byDefault = false) {
    this.#byDefault = byDefault;
    for (const { resource, name, prefix, granted } of rules) {
      const { exact, prefixes } = this.#names(resource);
      const names = prefix ? prefixes : exact;
      const before = names.get(name);
      if (before === undefined || RANK[granted] > RANK[before]) names.set(name, granted);
    }
  }

  allows(resource: Resource, access: Access, name: string): boolean {
    const names = this.#byResource.get(resource);
    const granted = names?.exact.get(name) ?? longest(names, name);
    return granted === undefined ? this.#allowsByDefault(resource) : grants(granted, access);
  }

  /** The prefix itself, and no rule below it that says less. */
  allowsAll(resource: 'key', access: Access, prefix: string): boolean {
    const names = this.#byResource.get(resource);
    const granted = longest(names, prefix);
    const may = granted === undefined ? this.#allowsByDefault(resource) : grants(granted, access);
    if (!may || names === undefined) return may;
    for (const rules of [names.exact, names.prefixes]) {
      for (const [name, granted] of rules) {
        if (name.startsWith(prefix) && !grants(granted, access)) return false;
      }
    }
    return true;
  }

  #allowsByDefault(resource: Resource): boolean {
    return this.#byDefault && resource !== 'acl';
  }

  #names(resource: Resource): Names {
    let names = this.#byResource.get(resource);
    if (names === undefined) {
      names = { exact: new Map(), prefixes: new Map() };
      this.#byResource.set(resource, names);
    }
    return names;
  }
}

function longest(names: Names | undefined, name: string): Granted | undefined {
  if (names === undefined) return undefined;
  const { prefixes } = names;
  let found: string | undefined;
  for (const prefix of prefixes.keys()) {
    if (name.startsWith(prefix) && prefix.length >= (found?.length ?? 0)) found = prefix;
  }
  return found === undefined ? undefined : prefixes.get(found);
}

function grants(granted: Granted, access: Access): boolean {
  if (granted === 'deny') return false;
  return RANK[granted] >= RANK[access];
}
