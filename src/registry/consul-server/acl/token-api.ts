// /v1/acl/token*, /v1/acl/bootstrap: create, change, clone, delete, read, list.

import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { type Stored, topicIndex, type WriteGroup } from '../../embedded.ts';
import { goJson } from '../go.ts';
import { type Answer, failedRead, parameter, type Query, textAnswer } from '../http.ts';
import { permissionDenied } from '../rights.ts';
import type { ApiContext, Caller, Endpoint, Handler } from '../routes.ts';
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
import type { Link } from './bundles.ts';
import { type Identities, notFound } from './identities.ts';
import { MANAGEMENT_ID, POLICIES } from './policies.ts';
import { ROLES } from './roles.ts';
import { changedToken, kept, newToken } from './token-checks.ts';
import {
  ANONYMOUS_ID,
  findToken,
  isExpired,
  NOTHING,
  parseToken,
  type Shown,
  TOKENS,
  type Token,
  tokenFields,
  tokenJson,
} from './tokens.ts';

const CLONE = '/clone';

export function tokenRoutes(
  context: ApiContext,
  identities: Identities,
): Readonly<Record<string, Endpoint>> {
  const { store, clock } = context;
  const reading = {
    topics: [TOKENS.name, POLICIES.name, ROLES.name],
    index: (table: typeof store.table) => topicIndex(table, TOKENS.name),
  };
  const find = (id: string): Stored<Token> | undefined => {
    const { initial } = identities;
    const token = initial?.id === id ? initial : findToken(store.table, id);
    return token === undefined || isExpired(token, clock.wallMs()) ? undefined : token;
  };
  const shown = (token: Stored<Token>, secret: Shown['secret'] = 'shown'): string =>
    tokenJson(store.table, token, { secret });
  /** Expired tokens go with the next write of another. */
  const sweep = (writes: WriteGroup): void => {
    for (const token of TOKENS.list(store.table)) {
      if (isExpired(token, clock.wallMs())) TOKENS.remove(writes, token.id);
    }
  };
  const create = (body: Parameters<typeof newToken>[2]): Promise<string> =>
    store.transact((writes) => {
      sweep(writes);
      const { id, token } = newToken(writes, identities, body, clock.wallMs());
      return shown(kept(writes, id, token));
    });

  const put: Handler = async (path, query, caller) => {
    if (path.endsWith(CLONE)) return clone(path.slice(0, -CLONE.length), query, caller);
    const denied = mayWrite(caller);
    if (denied !== undefined) return denied;
    const body = await bodyOf(caller, 'Token', parseToken);
    if ('status' in body) return body;
    if (path === '') return written(query, () => create(body));
    if (body.accessorId !== '' && body.accessorId !== path) {
      return badRequest('Token Accessor ID in URL and payload do not match');
    }
    return written(query, () =>
      store.transact((writes) => {
        if (path === identities.initial?.id) {
          throw new Unfit(
            'The initial management token is set in the configuration; change it there',
          );
        }
        const token = changedToken(writes, find(path), path, body);
        return shown(kept(writes, path, token));
      }),
    );
  };

  const clone = async (id: string, query: Query, caller: Caller): Promise<Answer> => {
    const denied = mayWrite(caller);
    if (denied !== undefined) return denied;
    const body = await bodyOf(caller, 'Token', parseToken);
    if ('status' in body) return body;
    const problem = idProblem(id, 'acl token');
    if (problem !== '') return textAnswer(500, problem);
    const source = find(id);
    if (source === undefined) throw notFound();
    const { value } = source;
    const description = body.description === '' ? value.description : body.description;
    const linksOf = (ids: readonly string[]): Link[] => ids.map((each) => ({ id: each, name: '' }));
    const links = { policies: linksOf(value.policies), roles: linksOf(value.roles) };
    const copy = { ...body, ...value, description, ...links };
    return written(query, () => create({ ...copy, accessorId: '', secretId: '' }));
  };

  const get: Handler = (id, query, caller) => {
    if (id === '') return badRequest('Missing token ID');
    const denied = mayRead(caller);
    if (denied !== undefined) return denied;
    const problem = idProblem(id, 'acl token');
    if (problem !== '') return failedRead(textAnswer(500, problem));
    return read(context, query, caller, {
      ...reading,
      json: () => {
        const token = find(id);
        if (token === undefined) return undefined;
        return shown(token, caller.rights.allows('acl', 'write', '') ? 'shown' : 'hidden');
      },
    });
  };

  const self: Handler = (_path, query, caller) =>
    read(context, query, caller, {
      ...reading,
      json: () => {
        const token = caller.secret === '' ? undefined : identities.tokenOf(caller.secret);
        return token === undefined ? undefined : shown(token);
      },
    });

  const list: Handler = (_path, query, caller) => {
    const denied = mayRead(caller);
    if (denied !== undefined) return denied;
    const [policy, role] = [parameter(query, 'policy'), parameter(query, 'role')];
    const isAsked = ({ value }: Stored<Token>): boolean =>
      (policy === '' || value.policies.includes(policy)) &&
      (role === '' || value.roles.includes(role));
    return read(context, query, caller, {
      ...reading,
      json: () => {
        const tokens = identities.list().filter(isAsked);
        return `[${tokens.map((token) => shown(token, 'absent')).join(',')}]`;
      },
    });
  };

  const remove: Handler = async (id, query, caller) => {
    if (id === '') return badRequest('Missing token ID');
    const denied = mayWrite(caller);
    if (denied !== undefined) return denied;
    return written(query, () =>
      store.transact((writes) => {
        if (!isUuid(id)) throw new Unfit('Accessor ID is missing or an invalid UUID');
        if (id === ANONYMOUS_ID) {
          throw new Unfit('Delete operation not permitted on the anonymous token');
        }
        if (id === identities.initial?.id) {
          throw new Unfit(
            'The initial management token is set in the configuration; remove it there',
          );
        }
        if (id === identities.tokenOf(caller.secret)?.id) {
          throw new Unfit("Deletion of the request's authorization token is not permitted");
        }
        TOKENS.remove(writes, id);
        return 'true';
      }),
    );
  };

  const bootstrap: Handler = (_path, query) => {
    const refused = (index: number): ReturnType<typeof permissionDenied> =>
      permissionDenied(`ACL bootstrap no longer allowed (reset index: ${index})`);
    return store
      .transact((writes): string | number => {
        const manager = identities
          .list()
          .find(({ value }) => value.policies.includes(MANAGEMENT_ID));
        if (manager !== undefined && !mayReset(identities, manager.createIndex)) {
          return manager.createIndex;
        }
        const token = TOKENS.put(writes, randomUUID(), {
          ...NOTHING,
          ...{ secretId: randomUUID(), description: 'Bootstrap Token (Global Management)' },
          policies: [MANAGEMENT_ID],
          createTime: new Date(clock.wallMs()).toISOString(),
        });
        const fields = tokenFields(writes.table, token, 'shown');
        return goJson({ ID: token.value.secretId, ...fields });
      })
      .then((end) => (typeof end === 'number' ? refused(end) : written(query, async () => end)));
  };

  return {
    '/v1/acl/bootstrap': { PUT: bootstrap },
    '/v1/acl/tokens': { GET: list },
    '/v1/acl/token': { PUT: put },
    '/v1/acl/token/': { GET: get, PUT: put, DELETE: remove },
    '/v1/acl/token/self': { GET: self },
  };
}

/** Who can write into the folder of the registry may do everything anyway. The file counts once. */
function mayReset({ resetFile }: Identities, index: number): boolean {
  if (resetFile === undefined) return false;
  try {
    if (readFileSync(resetFile, 'utf8').trim() !== String(index)) return false;
    rmSync(resetFile);
    return true;
  } catch {
    return false; // There is none.
  }
}
