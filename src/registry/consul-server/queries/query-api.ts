// /v1/query: prepared queries, kept and carried out. Templates are not offered, and there is no other
// data centre to fail over to.

import { randomUUID } from 'node:crypto';
import { type Stored, topicIndex } from '../../embedded.ts';
import { type InstanceView, instancesOf, mayReadInstance } from '../catalog.ts';
import { decodeBody, goJson, prettyJson } from '../go.ts';
import {
  type Answer,
  failedRead,
  indexHeaders,
  jsonAnswer,
  type Query as Parameters,
  parameter,
  textAnswer,
  variedAnswer,
} from '../http.ts';
import { permissionDenied, type Rights } from '../rights.ts';
import type { ApiContext, Caller, Family, Handler } from '../routes.ts';
import { idProblem } from '../sessions.ts';
import {
  findQuery,
  isAlive,
  listQueries,
  QUERIES,
  QUERY,
  type Query,
  queryProblem,
  selects,
} from './query.ts';

const BODY_BYTES_MAX = 64 * 1024;
const NOT_FOUND = 'Query not found';

export function queryFamily(context: ApiContext): Family {
  const { store, identities } = context;

  const create: Handler = async (_path, parameters, caller) => {
    const query = await bodyOf(caller, true);
    if ('status' in query) return query;
    return write(caller, { ...query, ID: randomUUID() }, ({ ID }) =>
      answered({ ID }, parameters, []),
    );
  };

  const update: Handler = async (id, _parameters, caller) => {
    const query = await bodyOf(caller, false);
    if ('status' in query) return query;
    const refused = refusalOf(id, caller);
    if (refused !== undefined) return refused;
    return write(caller, { ...query, ID: id }, () => variedAnswer(200, []));
  };

  const write = async (
    caller: Caller,
    query: Query,
    answer: (query: Query) => Answer,
  ): Promise<Answer> => {
    if (query.Template.Type !== '') return textAnswer(501, 'Templates of queries are not offered');
    if (!mayUse(caller.rights, query, 'write')) return permissionDenied();
    const problem = await store.transact((writes) => {
      const why = queryProblem(writes.table, query, query.ID);
      if (why !== '') return why;
      for (const { id, value } of QUERIES.list(writes.table)) {
        if (!isAlive(writes.table, value)) QUERIES.remove(writes, id);
      }
      QUERIES.put(writes, query.ID, query);
      return '';
    });
    return problem === '' ? answer(query) : textAnswer(500, problem);
  };

  const remove: Handler = async (id, _parameters, caller) => {
    const refused = refusalOf(id, caller);
    if (refused !== undefined) return refused;
    await store.transact((writes) => QUERIES.remove(writes, id));
    return variedAnswer(200, []);
  };

  /** Why the query of that id cannot be changed. */
  const refusalOf = (id: string, { rights }: Caller): Answer | undefined => {
    const problem = idProblem(id, 'prepared query');
    if (problem !== '') return textAnswer(500, `Prepared Query lookup failed: ${problem}`);
    const before = QUERIES.find(store.table, id);
    if (before === undefined) {
      return textAnswer(500, `Cannot modify non-existent prepared query: '${id}'`);
    }
    return mayUse(rights, before.value, 'write') ? undefined : permissionDenied();
  };

  /** Queries as they may be seen, as an answer that may wait. */
  const read = (
    parameters: Parameters,
    caller: Caller,
    find: () => readonly Stored<Query>[] | undefined,
  ): Answer | Promise<Answer> => {
    const options = context.optionsOf(parameters);
    if ('status' in options) return failedRead(options);
    return context.blocking.answer(
      {
        topics: [QUERIES.name],
        index: () => topicIndex(store.table, QUERIES.name),
        answer: (index) => {
          const found = find();
          if (found === undefined) return textAnswer(404, NOT_FOUND);
          const views = found.map((query) => viewOf(query, caller.rights));
          return answered(views, parameters, [...LEADER, ...indexHeaders(index)]);
        },
      },
      options,
      caller,
    );
  };

  const list: Handler = (_path, parameters, caller) =>
    read(parameters, caller, () =>
      listQueries(store.table).filter(({ value }) => mayUse(caller.rights, value, 'read')),
    );

  const get: Handler = (path, parameters, caller) => {
    const [, name, verb] = /^(.*)\/(execute|explain)$/s.exec(path) ?? [];
    if (verb === 'execute') return execute(name ?? '', parameters, caller);
    if (verb === 'explain') return explain(name ?? '', parameters, caller);
    const problem = idProblem(path, 'prepared query');
    if (problem !== '') return failedRead(textAnswer(500, problem));
    return read(parameters, caller, () => {
      const query = QUERIES.find(store.table, path);
      if (query === undefined || !isAlive(store.table, query.value)) return undefined;
      return mayUse(caller.rights, query.value, 'read') ? [query] : undefined;
    });
  };

  const explain = (name: string, parameters: Parameters, { rights }: Caller): Answer => {
    const options = context.optionsOf(parameters);
    if ('status' in options) return options;
    const query = findQuery(store.table, name);
    if (query === undefined) return textAnswer(404, NOT_FOUND);
    if (!mayUse(rights, query.value, 'read')) return permissionDenied();
    const fields = [...LEADER, ...indexHeaders(1)];
    return answered({ Query: viewOf(query, rights), ...META }, parameters, fields);
  };

  const execute = (name: string, parameters: Parameters, caller: Caller): Answer => {
    const options = context.optionsOf(parameters);
    if ('status' in options) return options;
    const limit = parameter(parameters, 'limit');
    if (limit !== '' && !/^\d+$/.test(limit)) return textAnswer(400, 'Bad limit: invalid syntax');
    const query = findQuery(store.table, name)?.value;
    if (query === undefined) return textAnswer(404, NOT_FOUND);
    // A query that was prepared with a token sees what that token may see.
    const rights = query.Token === '' ? caller.rights : rightsOf(query.Token, caller);
    const found = instancesOf(store.table, query.Service.Service, (instance) =>
      mayReadInstance(rights, instance),
    ).filter((instance) => selects(query, instance));
    const chosen = shuffled(found, context.random).slice(0, Number(limit) || undefined);
    const fields = [...LEADER, ...indexHeaders(1)];
    return answered(
      {
        ...{ Service: query.Service.Service, Nodes: chosen.map(shown), DNS: query.DNS },
        ...{ Datacenter: context.datacenter, Failovers: 0 },
        ...META,
      },
      parameters,
      fields,
    );
  };

  const rightsOf = (token: string, caller: Caller): Rights =>
    identities === undefined ? caller.rights : identities.rightsOf(token);

  return {
    routes: {
      '/v1/query': { GET: list, POST: create },
      '/v1/query/': { GET: get, PUT: update, DELETE: remove },
    },
  };
}

const LEADER = ['X-Consul-Effective-Consistency', 'leader'];
const META = { Index: 0, LastContact: 0, KnownLeader: true, ConsistencyLevel: 'leader' };

async function bodyOf(caller: Caller, isNeeded: boolean): Promise<Query | Answer> {
  const body = await caller.readBody(BODY_BYTES_MAX);
  if (body === undefined) return textAnswer(413, `Request body over ${BODY_BYTES_MAX} bytes`);
  if (!isNeeded && body.length === 0) return QUERY.zero;
  const decoded = decodeBody(body, QUERY);
  if ('value' in decoded) return decoded.value;
  return textAnswer(400, `Request decode failed: ${decoded.refused}`);
}

/** One without a name is only its managers'. */
function mayUse(rights: Rights, { Name }: Query, access: 'read' | 'write'): boolean {
  return Name === '' ? rights.unlimited : rights.allows('query', access, Name);
}

function viewOf({ value, createIndex, modifyIndex }: Stored<Query>, rights: Rights): object {
  const Token = value.Token === '' || rights.unlimited ? value.Token : '<hidden>';
  return { ...value, Token, CreateIndex: createIndex, ModifyIndex: modifyIndex };
}

/** Here, unlike in health, a check of the node has no list of tags. */
function shown({ Checks, ...rest }: InstanceView): object {
  const checks = Checks.map((check) =>
    check.ServiceID === '' ? { ...check, ServiceTags: null } : check,
  );
  return { ...rest, Checks: checks };
}

function answered(value: unknown, parameters: Parameters, headers: readonly string[]): Answer {
  const json = goJson(value);
  return jsonAnswer(parameters.has('pretty') ? prettyJson(json) : json, headers);
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => [random(), item] as const)
    .sort(([left], [right]) => left - right)
    .map(([, item]) => item);
}
