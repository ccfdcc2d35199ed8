// /v1/agent/members and what else is asked of the agent as a member of a cluster: this one is alone.

import { member } from '../agent-document.ts';
import { type Answer, jsonAnswer, textAnswer, variedAnswer } from '../http-answer.ts';
import { prettyJson } from '../kv-json.ts';
import { goJson } from '../lists.ts';
import { parameter } from '../request-target.ts';
import { permissionDenied } from '../rights.ts';
import type { ApiContext, Endpoint, Handler } from '../routes.ts';

export function memberRoutes(context: ApiContext): Readonly<Record<string, Endpoint>> {
  const members: Handler = (_path, query, { rights }) => {
    const isWan = parameter(query, 'wan') !== '';
    if (isWan && !['', '_all'].includes(parameter(query, 'segment'))) {
      return textAnswer(400, 'Cannot provide a segment with wan=true');
    }
    const mayRead = rights.allows('node', 'read', context.nodeName);
    const text = goJson(mayRead ? [member(context, isWan)] : []);
    return jsonAnswer(query.has('pretty') ? prettyJson(text) : text);
  };
  /** There is nothing to read again: what is set at the start stays. */
  const reload: Handler = (_path, _query, { rights }): Answer =>
    rights.allows('agent', 'write', context.nodeName) ? variedAnswer(200, []) : permissionDenied();
  return {
    '/v1/agent/members': { GET: members },
    '/v1/agent/reload': { PUT: reload },
  };
}
