// /v1/agent/members and what else is asked of the agent as a member of a cluster and as a process: this
// one is alone.

import { cpus, freemem, hostname, platform, release, totalmem, uptime } from 'node:os';
import { VALUE_BYTES_MAX } from '../../embedded.ts';
import { member } from '../agent-document.ts';
import { decodeBody, prettyJson, struct, text } from '../go.ts';
import {
  type Answer,
  jsonAnswer,
  parameter,
  type Query,
  textAnswer,
  variedAnswer,
} from '../http.ts';
import { tooLarge } from '../kv-api.ts';
import { goJson } from '../lists.ts';
import { type Access, permissionDenied, type Resource } from '../rights.ts';
import type { ApiContext, Caller, Endpoint, Handler } from '../routes.ts';

type Work = (path: string, query: Query, caller: Caller) => Answer | Promise<Answer>;

export function memberRoutes(
  context: ApiContext,
  reload: () => Promise<void>,
): Readonly<Record<string, Endpoint>> {
  /** Only for those who have this right on the agent, or on everything. */
  const guarded =
    (resource: Resource, access: Access, work: Work): Handler =>
    (path, query, caller) => {
      const name = resource === 'agent' ? context.nodeName : '';
      return caller.rights.allows(resource, access, name)
        ? work(path, query, caller)
        : permissionDenied();
    };
  return {
    '/v1/agent/members': { GET: members(context) },
    '/v1/agent/join/': { PUT: guarded('agent', 'write', (address) => join(context, address)) },
    '/v1/agent/force-leave/': {
      PUT: guarded('operator', 'write', (node) => forceLeave(context, node)),
    },
    '/v1/agent/reload': {
      PUT: guarded('agent', 'write', async () => {
        await reload();
        return variedAnswer(200, []);
      }),
    },
    '/v1/agent/token/': { PUT: guarded('agent', 'write', setToken) },
    '/v1/agent/metrics': {
      GET: guarded('agent', 'read', (_path, query) => json(metrics(), query)),
    },
    '/v1/agent/host': { GET: guarded('operator', 'read', (_path, query) => json(host(), query)) },
  };
}

function json(value: unknown, query: Query): Answer {
  const compact = goJson(value);
  return jsonAnswer(query.has('pretty') ? prettyJson(compact) : compact);
}

function members(context: ApiContext): Handler {
  return (_path, query, { rights }) => {
    const isWan = parameter(query, 'wan') !== '';
    if (isWan && !['', '_all'].includes(parameter(query, 'segment'))) {
      return textAnswer(400, 'Cannot provide a segment with wan=true');
    }
    const mayRead = rights.allows('node', 'read', context.nodeName);
    return json(mayRead ? [member(context, isWan)] : [], query);
  };
}

/** It has joined itself; with another one it would have to be a cluster. */
function join({ serverAddress, address }: ApiContext, given: string): Answer {
  const [host = '', port = ''] = given.split(/:(?=\d+$)/);
  const isOwn = [serverAddress, address].some(
    (own) => own.host === host && (port === '' || own.port === Number(port)),
  );
  if (isOwn) return variedAnswer(200, []);
  return textAnswer(
    501,
    `${given}: this registry is one server and joins no other; use Consul for a cluster`,
  );
}

function forceLeave({ nodeName }: ApiContext, node: string): Answer {
  if (node === nodeName) return variedAnswer(200, []);
  return textAnswer(500, `agent: No node found with name '${node}'`);
}

const TOKENS: ReadonlySet<string> = new Set([
  ...['acl_token', 'default', 'acl_agent_token', 'agent', 'acl_agent_master_token'],
  ...['agent_master', 'acl_replication_token', 'replication'],
]);
const tokenBody = struct('agent.AgentToken', { Token: text });

/** This agent asks itself and needs no token to do so: one that is set means nothing. */
async function setToken(name: string, _query: Query, caller: Caller): Promise<Answer> {
  const bytes = await caller.readBody(VALUE_BYTES_MAX);
  if (bytes === undefined) return tooLarge(caller.declaredBytes);
  const decoded = decodeBody(bytes, tokenBody);
  if ('refused' in decoded) return textAnswer(400, `Request decode failed: ${decoded.refused}`);
  if (!TOKENS.has(name)) return textAnswer(404, `Token ${JSON.stringify(name)} is unknown`);
  return variedAnswer(200, []);
}

function metrics(): object {
  const { heapUsed, rss, heapTotal } = process.memoryUsage();
  const gauge = (name: string, value: number): object => ({
    ...{ Name: `consul.runtime.${name}`, Value: value, Labels: {} },
  });
  return {
    Timestamp: `${new Date().toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`,
    Gauges: [
      gauge('alloc_bytes', heapUsed),
      gauge('heap_bytes', heapTotal),
      gauge('sys_bytes', rss),
    ],
    ...{ Points: [], Counters: [], Samples: [] },
  };
}

function host(): object {
  const [total, free] = [totalmem(), freemem()];
  return {
    Memory: { total, available: free, used: total - free, free },
    CPU: cpus().map(({ model, speed }, cpu) => ({ cpu, modelName: model, mhz: speed })),
    Host: {
      ...{ hostname: hostname(), uptime: Math.floor(uptime()), os: platform() },
      kernelVersion: release(),
    },
    CollectionTime: Date.now() * 1e6,
  };
}
