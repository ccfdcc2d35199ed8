// Consul's answer about one service → records, so that a server means the same wherever it is written.
// Pure. Tags are read as upsync reads them: `weight=3`, `max_fails=2`, `fail_timeout=10s`, and the bare
// words `down` and `backup`. What no tag says is looked for in the metadata under the same names, and
// the weight last in Consul's own `Weights`. Other tags and metadata are nobody's mistake.
//
//   { Address: 10.0.0.1, Port: 80, Tags: [weight=3, v2], Meta: { backup: "1" } }   under upstream app
//     →  app/10.0.0.1:80 {"weight":"3","backup":1}

import { parseDuration } from '../../../base/units.ts';
import { SERVER_ATTRIBUTES } from '../../../model.ts';
import type { RecordText } from '../../records.ts';

export type AnswerRules = {
  /** An instance with a warning takes requests, with Consul's weight for that; false: it is down. */
  readonly warnings: boolean;
};

/** An instance as both answers have it. */
type ServiceInstance = {
  readonly node: string;
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
  /** By the state of the checks. */
  readonly weights: { readonly passing: unknown; readonly warning: unknown };
  /** The worst of the checks; a catalog knows none. */
  readonly checks: 'passing' | 'warning' | 'critical';
};

/** Of /v1/catalog/service/NAME. @throws Error that says what is wrong with the answer */
export function catalogEntries(upstream: string, body: string): readonly RecordText[] {
  const instances = listOf(body).map((item): ServiceInstance => {
    const fields = fieldsOf(item, 'service');
    return {
      node: text(fields['Node']),
      id: text(fields['ServiceID']),
      address: text(fields['ServiceAddress']) || text(fields['Address']),
      port: port(fields['ServicePort']),
      tags: texts(fields['ServiceTags']),
      meta: textMap(fields['ServiceMeta']),
      weights: weightsOf(fields['ServiceWeights']),
      checks: 'passing',
    };
  });
  return recordsOf(upstream, instances, { warnings: true });
}

/** Of /v1/health/service/NAME. @throws Error that says what is wrong with the answer */
export function healthEntries(
  upstream: string,
  body: string,
  rules: AnswerRules,
): readonly RecordText[] {
  const instances = listOf(body).map((item): ServiceInstance => {
    const fields = fieldsOf(item, 'instance');
    const service = fieldsOf(fields['Service'], 'Service');
    const node = fieldsOf(fields['Node'], 'Node');
    return {
      node: text(node['Node']),
      id: text(service['ID']),
      address: text(service['Address']) || text(node['Address']),
      port: port(service['Port']),
      tags: texts(service['Tags']),
      meta: textMap(service['Meta']),
      weights: weightsOf(service['Weights']),
      checks: worstOf(fields['Checks']),
    };
  });
  return recordsOf(upstream, instances, rules);
}

function recordsOf(
  upstream: string,
  instances: readonly ServiceInstance[],
  rules: AnswerRules,
): readonly RecordText[] {
  const seen = new Set<string>();
  return instances
    .map((instance) => ({ instance, attributes: attributesOf(instance, rules) }))
    .toSorted((a, b) => rankOf(a) - rankOf(b) || compare(nameOf(a.instance), nameOf(b.instance)))
    .map(({ instance, attributes }) => {
      const { address, port } = instance;
      const server = `${address.includes(':') ? `[${address}]` : address}:${port}`;
      // A second one at the same address is named by where it is registered; the first counts.
      const place = seen.has(server) ? `${nameOf(instance)}/` : '';
      seen.add(server);
      const value = Buffer.from(JSON.stringify(attributes));
      return { key: `${upstream}/${place}${server}`, value };
    });
}

/** One that is up counts before one that is down at the same address: an old registration, mostly. */
function rankOf({ attributes }: { readonly attributes: Attributes }): number {
  return attributes['down'] === 1 ? 1 : 0;
}

function nameOf({ node, id }: ServiceInstance): string {
  return `${node}/${id.replaceAll('/', '_')}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

type Attributes = Readonly<Record<string, unknown>>;

function attributesOf(instance: ServiceInstance, rules: AnswerRules): Attributes {
  const { tags, meta, checks, weights } = instance;
  const attributes: Record<string, unknown> = {};
  for (const { name, unit } of Object.values(SERVER_ATTRIBUTES)) {
    const tag = unit === 'flag' ? tags.find((one) => one === name) : valueIn(tags, name);
    const found = tag ?? meta.get(name);
    if (found === undefined) continue;
    if (unit !== 'flag') attributes[name] = unit === 'seconds' ? secondsOf(found) : found;
    else attributes[name] = tag === undefined ? flagOf(found) : 1;
  }
  const isWarned = checks === 'warning' && rules.warnings;
  const weight = isWarned ? weights.warning : weights.passing;
  if (attributes['weight'] === undefined && weight !== undefined) attributes['weight'] = weight;
  if (checks !== 'passing' && !isWarned) attributes['down'] = 1;
  return attributes;
}

/** The first that says something, as upsync reads them. */
function valueIn(tags: readonly string[], name: string): string | undefined {
  return tags.find((tag) => tag.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** nginx's time, `1m` or bare seconds, as the whole seconds of a record; what is neither stays. */
function secondsOf(value: string): unknown {
  const ms = parseDuration(value);
  return ms === undefined ? value : ms / 1000;
}

/** Metadata is text; what is no word for yes or no stays as it is, and is reported. */
function flagOf(value: string): unknown {
  if (value === 'true') return 1;
  return value === 'false' ? 0 : value;
}

function worstOf(checks: unknown): ServiceInstance['checks'] {
  if (!Array.isArray(checks))
    throw new Error('instance without Checks: not a registry of services');
  const states = checks.map((check) => text(fieldsOf(check, 'check')['Status']));
  if (states.every((state) => state === 'passing')) return 'passing';
  return states.every((state) => state === 'passing' || state === 'warning')
    ? 'warning'
    : 'critical';
}

function listOf(body: string): readonly unknown[] {
  let list: unknown;
  try {
    list = JSON.parse(body);
  } catch {
    throw new Error('answer is not JSON: not a registry');
  }
  if (!Array.isArray(list)) throw new Error('answer is not a list: not a registry of services');
  return list;
}

function fieldsOf(item: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof item !== 'object' || item === null) throw new Error(`${what} is not an object`);
  // The cast only names the fields; each is checked by whoever takes it.
  return item as Readonly<Record<string, unknown>>;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** 0 is no port, which is said when the record is read. */
function port(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function textMap(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(
    Object.entries(value).flatMap(([name, one]) =>
      typeof one === 'string' ? [[name.toLowerCase(), one] as const] : [],
    ),
  );
}

/** 0 is a weight there and means that nobody set it, or that none is wanted: ours is then 1. */
function weightsOf(value: unknown): ServiceInstance['weights'] {
  if (typeof value !== 'object' || value === null)
    return { passing: undefined, warning: undefined };
  const weights = fieldsOf(value, 'Weights');
  const of = (name: string): unknown => {
    const weight = weights[name];
    return typeof weight === 'number' && weight > 0 ? weight : undefined;
  };
  return { passing: of('Passing'), warning: of('Warning') };
}
