// A prepared query: its shape, what it must be to be kept, and what it selects.

import { DocumentKind, type KeyTable, type Stored } from '../../embedded.ts';
import type { InstanceView } from '../catalog.ts';
import { type Decoded, flag, integer, list, map, struct, text } from '../go.ts';
import { parseGoDuration } from '../http.ts';
import { hasSession } from '../sessions.ts';

const FAILOVER = struct('structs.QueryDatacenterOptions', {
  NearestN: integer,
  Datacenters: list(text),
});

const SERVICE = struct('structs.ServiceQuery', {
  Service: text,
  Failover: FAILOVER,
  OnlyPassing: flag,
  IgnoreCheckIDs: list(text),
  Near: text,
  Tags: list(text),
  NodeMeta: map(text),
  ServiceMeta: map(text),
  Connect: flag,
});

export const QUERY = struct(
  'structs.PreparedQuery',
  {
    ID: text,
    Name: text,
    Session: text,
    Token: text,
    Template: struct('structs.QueryTemplateOptions', {
      ...{ Type: text, Regexp: text, RemoveEmptyTags: flag },
    }),
    Service: SERVICE,
    DNS: struct('structs.QueryDNSOptions', { TTL: text }),
  },
  { ignored: ['createindex', 'modifyindex'] },
);

export type Query = Decoded<typeof QUERY>;

export const QUERIES = new DocumentKind<Query>('query', (json) => json as Query);

/** Those whose session is there; a query that is bound to one ends with it. */
export function listQueries(table: KeyTable): readonly Stored<Query>[] {
  return QUERIES.list(table).filter(({ value }) => isAlive(table, value));
}

export function isAlive(table: KeyTable, { Session }: Query): boolean {
  return Session === '' || hasSession(table, Session);
}

export function findQuery(table: KeyTable, idOrName: string): Stored<Query> | undefined {
  return listQueries(table).find(({ id, value }) => id === idOrName || value.Name === idOrName);
}

/** Why it cannot be kept, in Consul's words; '' when it can. */
export function queryProblem(table: KeyTable, query: Query, id: string): string {
  const { Name, Session, Service, DNS } = query;
  const invalid = (why: string): string => `Invalid prepared query: ${why}`;
  if (Name === '' && Session === '') return invalid('Must be bound to a session');
  if (Service.Service === '') return invalid('Must provide a Service name to query');
  if (Service.Failover.NearestN < 0) {
    return invalid(`Bad NearestN '${Service.Failover.NearestN}', must be >= 0`);
  }
  if (DNS.TTL !== '') {
    const ttlMs = parseGoDuration(DNS.TTL);
    if (ttlMs === undefined) {
      return invalid(`Bad DNS TTL '${DNS.TTL}': time: invalid duration ${JSON.stringify(DNS.TTL)}`);
    }
    if (ttlMs < 0) return invalid(`DNS TTL '${DNS.TTL}', must be >=0`);
  }
  if (Session !== '' && !hasSession(table, Session)) {
    return `invalid session ${JSON.stringify(Session)}`;
  }
  const namesake = listQueries(table).find(({ value }) => Name !== '' && value.Name === Name);
  if (namesake !== undefined && namesake.id !== id) {
    return `name '${Name}' aliases an existing query name`;
  }
  return '';
}

/** Whether the query wants the instance: never one with a critical check that counts. */
export function selects({ Service: wanted }: Query, instance: InstanceView): boolean {
  const checks = instance.Checks.filter(
    ({ CheckID }) => wanted.IgnoreCheckIDs?.includes(CheckID) !== true,
  );
  const isGood = checks.every(({ Status }) =>
    wanted.OnlyPassing ? Status === 'passing' : Status !== 'critical',
  );
  return (
    isGood &&
    hasTags(wanted.Tags ?? [], instance.Service.Tags) &&
    hasAll(wanted.NodeMeta, instance.Node.Meta) &&
    hasAll(wanted.ServiceMeta, instance.Service.Meta)
  );
}

/** `!tag` is one that it may not have. */
function hasTags(wanted: readonly string[], tags: readonly string[]): boolean {
  const own = tags.map((tag) => tag.toLowerCase());
  return wanted.every((tag) =>
    tag.startsWith('!')
      ? !own.includes(tag.slice(1).toLowerCase())
      : own.includes(tag.toLowerCase()),
  );
}

type Texts = Readonly<Record<string, string>> | null;

function hasAll(wanted: Texts, own: Texts): boolean {
  return Object.entries(wanted ?? {}).every(([name, value]) => own?.[name] === value);
}
