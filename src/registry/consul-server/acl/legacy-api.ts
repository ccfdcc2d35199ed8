// The calls of before Consul 1.4, which older clients use: a token is its secret, with a name, a type and
// rules of its own, in which every name is a prefix. And what turns such rules into today's.

import { randomUUID } from 'node:crypto';
import { messageOf } from '../../../base/errors.ts';
import { type Stored, topicIndex } from '../../embedded.ts';
import { goJson, membersOf, parseGoJson, prettyJson, textMember } from '../go.ts';
import { type Answer, failedRead, jsonAnswer, textAnswer } from '../http.ts';
import { permissionDenied } from '../rights.ts';
import type { ApiContext, Caller, Endpoint, Handler } from '../routes.ts';
import { mayRead, mayWrite, read, Unfit, written } from './acl-request.ts';
import { HclError } from './hcl.ts';
import type { Identities } from './identities.ts';
import { MANAGEMENT_ID } from './policies.ts';
import { parseRules } from './rules.ts';
import { kept } from './token-checks.ts';
import {
  ANONYMOUS_ID,
  ANONYMOUS_SECRET,
  findToken,
  NOTHING,
  TOKENS,
  type Token,
} from './tokens.ts';
import { translateRules } from './translate.ts';

const BODY_BYTES_MAX = 512 * 1024;

type LegacyBody = {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly rules: string;
};

export function legacyRoutes(
  context: ApiContext,
  identities: Identities,
): Readonly<Record<string, Endpoint>> {
  const { store } = context;
  const reading = {
    topics: [TOKENS.name],
    index: (table: typeof store.table) => topicIndex(table, TOKENS.name),
  };
  const save = (body: LegacyBody, query: Parameters<Handler>[1]): Promise<Answer> =>
    written(query, () =>
      store.transact((writes) => {
        const secretId = body.id === '' ? randomUUID() : body.id;
        const before = identities.tokenOf(secretId);
        if (before !== undefined && before.id === identities.initial?.id) {
          throw new Unfit(
            'The initial management token is set in the configuration; change it there',
          );
        }
        const id = secretId === ANONYMOUS_SECRET ? ANONYMOUS_ID : (before?.id ?? randomUUID());
        kept(writes, id, legacyToken(body, secretId));
        return goJson({ ID: secretId });
      }),
    );

  const put =
    (needsId: boolean): Handler =>
    async (_path, query, caller) => {
      const denied = mayWrite(caller);
      if (denied !== undefined) return denied;
      const body = await readLegacy(caller);
      if ('status' in body) return body;
      if (needsId && body.id === '') return textAnswer(400, 'ACL ID must be set');
      return save(body, query);
    };

  const info: Handler = (secret, query, caller) => {
    if (secret === '') return textAnswer(400, 'Missing ACL');
    // Whoever knows the secret may do what it may: no other right is asked for.
    return read(context, query, caller, {
      ...reading,
      json: () => {
        const token = identities.tokenOf(secret);
        return token === undefined || !isLegacy(token) ? '[]' : `[${legacyJson(token)}]`;
      },
    });
  };

  const list: Handler = (_path, query, caller) => {
    const denied = mayWrite(caller);
    if (denied !== undefined) return failedRead(denied);
    return read(context, query, caller, {
      ...reading,
      json: () => {
        const tokens = identities.list().filter(isLegacy);
        return `[${tokens.map(legacyJson).join(',')}]`;
      },
    });
  };

  const clone: Handler = async (secret, query, caller) => {
    if (secret === '') return textAnswer(400, 'Missing ACL');
    const source = identities.tokenOf(secret);
    const denied = mayWrite(caller);
    if (denied !== undefined || source === undefined) return failedRead(permissionDenied());
    const { description, legacy, policies } = source.value;
    const type = policies.includes(MANAGEMENT_ID) ? 'management' : 'client';
    return save({ id: '', name: description, type, rules: legacy?.rules ?? '' }, query);
  };

  const destroy: Handler = async (secret, query, caller) => {
    if (secret === '') return textAnswer(400, 'Missing ACL');
    const denied = mayWrite(caller);
    if (denied !== undefined) return denied;
    if (secret === ANONYMOUS_SECRET) return permissionDenied('Cannot delete anonymous token');
    return written(query, () =>
      store.transact((writes) => {
        const token = identities.tokenOf(secret);
        if (token !== undefined && token.id === identities.initial?.id) {
          throw new Unfit(
            'The initial management token is set in the configuration; remove it there',
          );
        }
        if (token !== undefined) TOKENS.remove(writes, token.id);
        return 'true';
      }),
    );
  };

  const replication: Handler = (_path, query) => {
    const never = '0001-01-01T00:00:00Z';
    const json = goJson({
      ...{ Enabled: false, Running: false, SourceDatacenter: '', ReplicationType: '' },
      ...{ ReplicatedIndex: 0, ReplicatedRoleIndex: 0, ReplicatedTokenIndex: 0 },
      ...{ LastSuccess: never, LastError: never },
    });
    return jsonAnswer(query.has('pretty') ? prettyJson(json) : json);
  };

  const translate: Handler = async (_path, _query, caller) => {
    const denied = mayRead(caller);
    if (denied !== undefined) return permissionDenied();
    const body = await caller.readBody(BODY_BYTES_MAX);
    if (body === undefined) return textAnswer(413, `Request body over ${BODY_BYTES_MAX} bytes`);
    const text = body.toString();
    try {
      parseRules(text, 'prefixes');
    } catch (error) {
      if (!(error instanceof HclError)) throw error;
      const why = error.message.replace('parse ACL rules', 'parse rules');
      return textAnswer(400, `Bad request: ${why}`);
    }
    return textAnswer(200, translateRules(text));
  };

  const translateOf: Handler = (id, _query, caller) => {
    const denied = mayRead(caller);
    if (denied !== undefined) return denied;
    const token = findToken(store.table, id);
    if (token === undefined) return failedRead(textAnswer(403, 'ACL not found'));
    const rules = token.value.legacy?.rules ?? '';
    return rules === ''
      ? failedRead(textAnswer(500, 'The specified token does not have any rules set'))
      : textAnswer(200, translateRules(rules));
  };

  return {
    '/v1/acl/create': { PUT: put(false) },
    '/v1/acl/update': { PUT: put(true) },
    '/v1/acl/info/': { GET: info },
    '/v1/acl/list': { GET: list },
    '/v1/acl/clone/': { PUT: clone },
    '/v1/acl/destroy/': { PUT: destroy },
    '/v1/acl/replication': { GET: replication },
    '/v1/acl/rules/translate': { POST: translate },
    '/v1/acl/rules/translate/': { GET: translateOf },
  };
}

async function readLegacy(caller: Caller): Promise<LegacyBody | Answer> {
  const body = await caller.readBody(BODY_BYTES_MAX);
  if (body === undefined) return textAnswer(413, `Request body over ${BODY_BYTES_MAX} bytes`);
  try {
    const text = body.toString();
    const json = text.trim() === '' ? {} : parseGoJson(text);
    const members = membersOf(json ?? {}, { place: 'value', type: 'structs.ACLRequest' });
    return {
      id: textMember(members, 'ID', ''),
      name: textMember(members, 'Name', ''),
      type: textMember(members, 'Type', ''),
      rules: textMember(members, 'Rules', ''),
    };
  } catch (error) {
    return textAnswer(400, `Request decode failed: ${messageOf(error)}`);
  }
}

/** @throws Unfit */
function legacyToken({ name, type, rules }: LegacyBody, secretId: string): Token {
  if (type !== '' && type !== 'client' && type !== 'management')
    throw new Unfit('Invalid ACL Type');
  try {
    parseRules(rules, 'prefixes');
  } catch (error) {
    if (!(error instanceof HclError)) throw error;
    throw new Unfit(`ACL rule compilation failed: ${error.message}`);
  }
  return {
    ...NOTHING,
    secretId,
    description: name,
    policies: type === 'management' ? [MANAGEMENT_ID] : [],
    legacy: { type: type === 'management' ? 'management' : 'client', rules },
  };
}

/** What these calls can show: their own tokens and those of the managers. */
function isLegacy({ value }: Stored<Token>): boolean {
  return value.legacy !== undefined || value.policies.includes(MANAGEMENT_ID);
}

function legacyJson({ value, createIndex, modifyIndex }: Stored<Token>): string {
  return goJson({
    ...{ ID: value.secretId, Name: value.description },
    ...{ Type: value.legacy?.type ?? 'management', Rules: value.legacy?.rules ?? '' },
    ...{ CreateIndex: createIndex, ModifyIndex: modifyIndex },
  });
}
