// /v1/session/*: create, destroy, renew, info, node, list. What a session's end does to its locks is
// session-writes.ts; when it ends by itself, expiry.ts.

import { randomUUID } from 'node:crypto';
import { type Stored, topicIndex, touchTopic } from '../../embedded.ts';
import { prettyJson } from '../go.ts';
import {
  type Answer,
  failedRead,
  indexHeaders,
  jsonAnswer,
  parameter,
  type Query,
  textAnswer,
} from '../http.ts';
import { inNamespace } from '../namespaces.ts';
import { permissionDenied } from '../rights.ts';
import type { ApiContext, Caller, Family, Handler } from '../routes.ts';
import { SessionExpiry } from './expiry.ts';
import {
  checksOf,
  idProblem,
  SESSIONS,
  type Session,
  sessionJson,
  sessionTopic,
} from './session.ts';
import { parseSession } from './session-body.ts';
import { endSession } from './session-writes.ts';

const BODY_BYTES_MAX = 64 * 1024;

export function sessionFamily(context: ApiContext): Family {
  const { store, clock, log } = context;
  const expiry = new SessionExpiry(store, clock, log);

  const create: Handler = async (_path, query, caller) => {
    const refused = writeRefusal(context, query, caller);
    if (refused !== undefined) return refused;
    const body = await caller.readBody(BODY_BYTES_MAX);
    if (body === undefined) return textAnswer(413, `Request body over ${BODY_BYTES_MAX} bytes`);
    const session = parseSession(body.toString(), context.nodeName);
    if ('why' in session) return textAnswer(session.status, session.why);
    if (!caller.rights.allows('session', 'write', session.node)) return permissionDenied();
    const id = randomUUID();
    const problem = await store.transact((writes) => {
      const missing = missingFor(context, session);
      if (missing !== '') return missing;
      const over = SESSIONS.overLimit(writes, id, session);
      if (over !== '') return over;
      SESSIONS.put(writes, id, session);
      touchTopic(writes, sessionTopic(id));
      return '';
    });
    return problem === '' ? written(`{"ID":"${id}"}`, query) : textAnswer(500, problem);
  };

  const destroy: Handler = async (id, query, caller) => {
    const refused = idRefusal(context, id, query, caller);
    if (refused !== undefined) return refused;
    const session = SESSIONS.find(store.table, id);
    if (session !== undefined && !caller.rights.allows('session', 'write', session.value.node)) {
      return permissionDenied();
    }
    await store.transact((writes) => endSession(writes, id, clock.wallMs()));
    return written('true', query);
  };

  const renew: Handler = (id, query, caller) => {
    const refused = idRefusal(context, id, query, caller);
    if (refused !== undefined) return refused;
    const session = SESSIONS.find(store.table, id);
    if (session === undefined) return textAnswer(404, `Session id '${id}' not found`);
    if (!caller.rights.allows('session', 'write', session.value.node)) return permissionDenied();
    expiry.renew(id);
    return written(`[${sessionJson(session)}]`, query);
  };

  /** A list of sessions that waits for its topic. */
  const list = (
    query: Query,
    caller: Caller,
    topic: string,
    find: () => readonly Stored<Session>[],
  ): Answer | Promise<Answer> => {
    const options = context.optionsOf(query);
    if ('status' in options) return failedRead(options);
    const { rights } = caller;
    return context.blocking.answer(
      {
        topics: [topic],
        index: () => topicIndex(store.table, SESSIONS.name),
        answer: (index) => {
          const seen = find().filter(({ value }) => rights.allows('session', 'read', value.node));
          const json = `[${seen.map(sessionJson).join(',')}]`;
          return jsonAnswer(options.pretty ? prettyJson(json) : json, indexHeaders(index));
        },
      },
      options,
      caller,
    );
  };

  const info: Handler = (id, query, caller) => {
    if (id === '') return textAnswer(400, 'Missing session');
    const namespaced = inNamespace(query, caller);
    if (namespaced !== undefined) return namespaced;
    const problem = idProblem(id);
    if (problem !== '') return failedRead(textAnswer(500, problem));
    return list(query, caller, sessionTopic(id), () => {
      const session = SESSIONS.find(store.table, id);
      return session === undefined ? [] : [session];
    });
  };

  const ofNode: Handler = (node, query, caller) => {
    if (node === '') return textAnswer(400, 'Missing node name');
    return (
      inNamespace(query, caller) ??
      list(query, caller, SESSIONS.name, () =>
        SESSIONS.list(store.table).filter(({ value }) => value.node === node),
      )
    );
  };

  const all: Handler = (_path, query, caller) =>
    inNamespace(query, caller) ??
    list(query, caller, SESSIONS.name, () => SESSIONS.list(store.table));

  return {
    routes: {
      '/v1/session/create': { PUT: create },
      '/v1/session/destroy/': { PUT: destroy },
      '/v1/session/renew/': { PUT: renew },
      '/v1/session/info/': { GET: info },
      '/v1/session/node/': { GET: ofNode },
      '/v1/session/list': { GET: all },
    },
    renewSession: (id) => {
      const isThere = SESSIONS.find(store.table, id) !== undefined;
      if (isThere) expiry.renew(id);
      return isThere;
    },
    close: () => expiry.close(),
  };
}

/** What the session names and is not there, or is critical. Consul's words; '' when all is well. */
function missingFor({ checks }: ApiContext, session: Session): string {
  if (!checks.hasNode(session.node)) return 'Missing node registration';
  for (const check of checksOf(session)) {
    const status = checks.statusOf(session.node, check);
    if (status === undefined) return `Missing check '${check}' registration`;
    if (status === 'critical') return `Check '${check}' is in critical state`;
  }
  return '';
}

/** The order of Consul: the datacenter before all else. */
function writeRefusal(context: ApiContext, query: Query, caller: Caller): Answer | undefined {
  const datacenter = parameter(query, 'dc');
  if (datacenter !== '' && datacenter !== context.datacenter) {
    return textAnswer(500, 'No path to datacenter');
  }
  return inNamespace(query, caller);
}

function idRefusal(
  context: ApiContext,
  id: string,
  query: Query,
  caller: Caller,
): Answer | undefined {
  if (id === '') return textAnswer(400, 'Missing session');
  const refused = writeRefusal(context, query, caller);
  if (refused !== undefined) return refused;
  const problem = idProblem(id);
  return problem === '' ? undefined : textAnswer(500, problem);
}

/** The answer to a write, which carries no index. */
function written(json: string, query: Query): Answer {
  return jsonAnswer(query.has('pretty') ? prettyJson(json) : json);
}
