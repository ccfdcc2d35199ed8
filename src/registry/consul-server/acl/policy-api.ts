// /v1/acl/policy*: create, change, delete, read, list.

import { randomUUID } from 'node:crypto';
import { messageOf } from '../../../base/errors.ts';
import { topicIndex, type WriteGroup } from '../../embedded.ts';
import { type Answer, failedRead, textAnswer } from '../http.ts';
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
import { HclError } from './hcl.ts';
import {
  findPolicy,
  findPolicyNamed,
  listPolicies,
  MANAGEMENT_ID,
  POLICIES,
  type Policy,
  type PolicyBody,
  parsePolicy,
  policyJson,
  policyStubJson,
} from './policies.ts';
import { parseRules } from './rules.ts';

export function policyRoutes(context: ApiContext): Readonly<Record<string, Endpoint>> {
  const { store } = context;
  const reading = {
    topics: [POLICIES.name],
    index: (table: typeof store.table) => topicIndex(table, POLICIES.name),
  };

  const put: Handler = async (id, query, caller) => {
    const denied = mayWrite(caller);
    if (denied !== undefined) return denied;
    const body = await bodyOf(caller, 'Policy', parsePolicy);
    if ('status' in body) return body;
    if (id === '' && body.id !== '') {
      return badRequest('Cannot specify the ID when creating a new policy');
    }
    if (id !== '' && body.id !== '' && body.id !== id) {
      return badRequest('Policy ID in URL and payload do not match');
    }
    return written(query, () =>
      store.transact((writes) =>
        policyJson(
          id === ''
            ? POLICIES.put(writes, randomUUID(), checked(writes, body, undefined))
            : POLICIES.put(writes, id, changed(writes, id, body)),
        ),
      ),
    );
  };

  const get: Handler = (id, query, caller) => {
    if (id === '') return badRequest('Missing policy ID');
    const denied = mayRead(caller);
    if (denied !== undefined) return denied;
    const problem = idProblem(id, 'acl policy');
    if (problem !== '') return failedRead(textAnswer(500, problem));
    return read(context, query, caller, {
      ...reading,
      json: () => {
        const policy = findPolicy(store.table, id);
        return policy === undefined ? undefined : policyJson(policy);
      },
    });
  };

  const getNamed: Handler = (name, query, caller) => {
    if (name === '') return badRequest('Missing policy Name');
    return (
      mayRead(caller) ??
      read(context, query, caller, {
        ...reading,
        json: () => {
          const policy = findPolicyNamed(store.table, name);
          return policy === undefined ? undefined : policyJson(policy);
        },
      })
    );
  };

  const list: Handler = (_path, query, caller) =>
    mayRead(caller) ??
    read(context, query, caller, {
      ...reading,
      json: () => `[${listPolicies(store.table).map(policyStubJson).join(',')}]`,
    });

  const remove: Handler = async (id, query, caller): Promise<Answer> => {
    if (id === '') return badRequest('Missing policy ID');
    const denied = mayWrite(caller);
    if (denied !== undefined) return denied;
    return written(query, () =>
      store.transact((writes) => {
        if (id === MANAGEMENT_ID) {
          throw new Unfit('Delete operation not permitted on the builtin global-management policy');
        }
        if (!isUuid(id)) throw new Unfit('Policy ID is missing or an invalid UUID');
        POLICIES.remove(writes, id);
        return 'true';
      }),
    );
  };

  return {
    '/v1/acl/policies': { GET: list },
    '/v1/acl/policy': { PUT: put },
    '/v1/acl/policy/': { GET: get, PUT: put, DELETE: remove },
    '/v1/acl/policy/name/': { GET: getNamed },
  };
}

/** @throws Unfit */
function changed(writes: WriteGroup, id: string, body: PolicyBody): Policy {
  if (!isUuid(id)) throw new Unfit('Policy ID invalid UUID');
  const before = findPolicy(writes.table, id);
  if (before === undefined) throw new Unfit(`cannot find policy ${id}`);
  if (id === MANAGEMENT_ID && body.rules !== before.value.rules) {
    throw new Unfit('Changing the Rules for the builtin global-management policy is not permitted');
  }
  if (id === MANAGEMENT_ID && body.datacenters !== null) {
    throw new Unfit(
      'Changing the Datacenters of the builtin global-management policy is not permitted',
    );
  }
  return checked(writes, body, id);
}

/** @throws Unfit */
function checked(writes: WriteGroup, { id: _, ...policy }: PolicyBody, own?: string): Policy {
  if (policy.name === '') throw new Unfit('Invalid Policy: no Name is set');
  if (!/^[A-Za-z0-9\-_]{1,128}$/.test(policy.name)) {
    throw new Unfit(
      "Invalid Policy: invalid Name. Only alphanumeric characters, '-' and '_' are allowed",
    );
  }
  const namesake = findPolicyNamed(writes.table, policy.name);
  if (namesake !== undefined && namesake.id !== own) {
    throw new Unfit(
      `Invalid Policy: A ${own === undefined ? 'P' : 'p'}olicy with Name "${policy.name}" already exists`,
    );
  }
  try {
    parseRules(policy.rules);
  } catch (error) {
    if (error instanceof HclError) throw new Unfit(messageOf(error));
    throw error;
  }
  return policy;
}
