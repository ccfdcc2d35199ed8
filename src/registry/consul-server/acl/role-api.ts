// /v1/acl/role*: create, change, delete, read, list.

import { randomUUID } from 'node:crypto';
import { type Stored, topicIndex, type WriteGroup } from '../../embedded.ts';
import { emptyAnswer, failedRead, parameter, textAnswer } from '../http.ts';
import type { ApiContext, Endpoint, Handler } from '../routes.ts';
import { idProblem } from '../sessions.ts';
import {
  badRequest,
  bodyOf,
  isUuid,
  mayRead,
  mayWrite,
  read,
  Unfit,
  written,
} from './acl-request.ts';
import { checkedBundle } from './bundles.ts';
import { POLICIES } from './policies.ts';
import { findRoleNamed, parseRole, ROLES, type Role, type RoleBody, roleJson } from './roles.ts';

export function roleRoutes(context: ApiContext): Readonly<Record<string, Endpoint>> {
  const { store } = context;
  const reading = {
    topics: [ROLES.name, POLICIES.name],
    index: (table: typeof store.table) => topicIndex(table, ROLES.name),
    missing: emptyAnswer(404),
  };

  const put: Handler = async (id, query, caller) => {
    const denied = mayWrite(caller);
    if (denied !== undefined) return denied;
    const body = await bodyOf(caller, 'Role', parseRole);
    if ('status' in body) return body;
    if (body.id !== '' && body.id !== id) {
      return badRequest('Role ID in URL and payload do not match');
    }
    return written(query, () =>
      store.transact((writes) => {
        if (id !== '' && !isUuid(id)) throw new Unfit('Role ID invalid UUID');
        if (id !== '' && ROLES.find(writes.table, id) === undefined) {
          throw new Unfit(`cannot find role ${id}`);
        }
        const role = checked(writes, body, id);
        return roleJson(writes.table, ROLES.put(writes, id === '' ? randomUUID() : id, role));
      }),
    );
  };

  const readRole = (find: () => Stored<Role> | undefined): string | undefined => {
    const role = find();
    return role === undefined ? undefined : roleJson(store.table, role);
  };

  const get: Handler = (id, query, caller) => {
    if (id === '') return badRequest('Missing role ID');
    const denied = mayRead(caller);
    if (denied !== undefined) return denied;
    const problem = idProblem(id, 'acl role');
    if (problem !== '') return failedRead(textAnswer(500, problem));
    const json = (): string | undefined => readRole(() => ROLES.find(store.table, id));
    return read(context, query, caller, { ...reading, json });
  };

  const getNamed: Handler = (name, query, caller) => {
    if (name === '') return badRequest('Missing role Name');
    const json = (): string | undefined => readRole(() => findRoleNamed(store.table, name));
    return mayRead(caller) ?? read(context, query, caller, { ...reading, json });
  };

  const list: Handler = (_path, query, caller) => {
    const policy = parameter(query, 'policy');
    const json = (): string => {
      const roles = ROLES.list(store.table).filter(
        ({ value }) => policy === '' || value.policies.includes(policy),
      );
      return `[${roles.map((role) => roleJson(store.table, role)).join(',')}]`;
    };
    return mayRead(caller) ?? read(context, query, caller, { ...reading, json });
  };

  const remove: Handler = async (id, query, caller) => {
    if (id === '') return badRequest('Missing role ID');
    const denied = mayWrite(caller);
    if (denied !== undefined) return denied;
    return written(query, () =>
      store.transact((writes) => {
        const problem = idProblem(id, 'acl role');
        if (problem !== '') throw new Unfit(problem);
        ROLES.remove(writes, id);
        return 'true';
      }),
    );
  };

  return {
    '/v1/acl/roles': { GET: list },
    '/v1/acl/role': { PUT: put },
    '/v1/acl/role/': { GET: get, PUT: put, DELETE: remove },
    '/v1/acl/role/name/': { GET: getNamed },
  };
}

/** @throws Unfit */
function checked(writes: WriteGroup, body: RoleBody, own: string): Role {
  const { name, description } = body;
  if (name === '') throw new Unfit('Invalid Role: no Name is set');
  if (!/^[A-Za-z0-9\-_]{1,256}$/.test(name)) {
    throw new Unfit(
      "Invalid Role: invalid Name. Only alphanumeric characters, '-' and '_' are allowed",
    );
  }
  const namesake = findRoleNamed(writes.table, name);
  if (namesake !== undefined && namesake.id !== own) {
    throw new Unfit(
      `Invalid Role: A ${own === '' ? 'R' : 'r'}ole with Name "${name}" already exists`,
    );
  }
  return { name, description, ...checkedBundle(writes, body, 'role') };
}
