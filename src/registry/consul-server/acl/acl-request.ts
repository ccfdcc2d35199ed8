// What the endpoints of tokens and policies share: rights, bodies, refusals and the form of answers.

import { messageOf } from '../../../base/errors.ts';
import type { KeyTable } from '../../embedded.ts';
import { prettyJson } from '../go.ts';
import type { Query } from '../http.ts';
import { type Answer, failedRead, indexHeaders, jsonAnswer, textAnswer } from '../http.ts';
import { permissionDenied } from '../rights.ts';
import type { ApiContext, Caller } from '../routes.ts';

const BODY_BYTES_MAX = 512 * 1024;

/** Consul's words for what cannot be carried out; its status is 500. */
export class Unfit extends Error {}

export function mayWrite(caller: Caller): Answer | undefined {
  return caller.rights.allows('acl', 'write', '') ? undefined : permissionDenied();
}

export function badRequest(why: string): Answer {
  return textAnswer(400, `Bad request: ${why}`);
}

/** The body as `parse` reads it, or the refusal. `what`: Token, Policy. */
export async function bodyOf<Body>(
  caller: Caller,
  what: string,
  parse: (text: string) => Body,
): Promise<Body | Answer> {
  const body = await caller.readBody(BODY_BYTES_MAX);
  if (body === undefined) return textAnswer(413, `Request body over ${BODY_BYTES_MAX} bytes`);
  try {
    return parse(body.toString());
  } catch (error) {
    return badRequest(`${what} decoding failed: ${messageOf(error)}`);
  }
}

/** Runs a write; what it throws as Unfit is the answer. */
export async function written(query: Query, write: () => Promise<string>): Promise<Answer> {
  try {
    const json = await write();
    return jsonAnswer(query.has('pretty') ? prettyJson(json) : json);
  } catch (error) {
    if (error instanceof Unfit) return textAnswer(500, error.message);
    throw error;
  }
}

export type AclRead = {
  readonly topics: readonly string[];
  readonly index: (table: KeyTable) => number;
  /** Undefined: there is no such thing. */
  readonly json: () => string | undefined;
  /** The answer then; without it 403. */
  readonly missing?: Answer;
};

/** A read that may wait. */
export function read(
  context: ApiContext,
  query: Query,
  caller: Caller,
  { topics, index, json, missing }: AclRead,
): Answer | Promise<Answer> {
  const options = context.optionsOf(query);
  if ('status' in options) return failedRead(options);
  return context.blocking.answer(
    {
      topics,
      index: () => index(context.store.table),
      answer: (at) => {
        const text = json();
        const fields = indexHeaders(at);
        if (text !== undefined) return jsonAnswer(options.pretty ? prettyJson(text) : text, fields);
        if (missing !== undefined) return missing;
        const unknown = textAnswer(403, 'ACL not found');
        return { ...unknown, headers: [...fields, ...unknown.headers] };
      },
    },
    options,
    caller,
  );
}

export function mayRead(caller: Caller): Answer | undefined {
  return caller.rights.allows('acl', 'read', '') ? undefined : failedRead(permissionDenied());
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}
