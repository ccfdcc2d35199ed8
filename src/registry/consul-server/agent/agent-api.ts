// /v1/agent/service and /v1/agent/check of Consul's HTTP API: registering with the agent, and reporting.

import { createHash } from 'node:crypto';
import { VALUE_BYTES_MAX } from '../../embedded.ts';
import { CatalogRefusal } from '../catalog.ts';
import { CHECK_FIELDS, filterOf, SERVICE_FIELDS } from '../filter.ts';
import { type Decoder, decodeBody, prettyJson } from '../go.ts';
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
import { inNamespace } from '../namespaces.ts';
import { permissionDenied } from '../rights.ts';
import type { Caller, Endpoint, Handler } from '../routes.ts';
import type { Agent } from './agent.ts';
import {
  BodyRefusal,
  checkBody,
  type Kinds,
  readCheck,
  readService,
  serviceBody,
  updateBody,
} from './agent-bodies.ts';
import { mayWriteCheck, mayWriteService } from './agent-rights.ts';
import { AGENT_CHECKS, AGENT_SERVICES, type AgentCheck } from './agent-state.ts';
import { agentCheckView, agentServiceView, serviceHealth } from './agent-views.ts';
import { addCheck, addService, removeCheck, removeService } from './agent-writes.ts';
import { type Found, OUTPUT_BYTES_MAX } from './check-probe.ts';

/** What a write of the agent answers. */
export const DONE = (): Answer => variedAnswer(200, []);

export function agentRoutes(agent: Agent, kinds: Kinds): Readonly<Record<string, Endpoint>> {
  return {
    '/v1/agent/services': { GET: listed(agent, 'services') },
    '/v1/agent/checks': { GET: listed(agent, 'checks') },
    '/v1/agent/service/': { GET: oneService(agent) },
    '/v1/agent/service/register': { PUT: registerService(agent, kinds) },
    '/v1/agent/service/deregister/': { PUT: deregisterService(agent) },
    '/v1/agent/check/register': { PUT: registerCheck(agent, kinds) },
    '/v1/agent/check/deregister/': { PUT: deregisterCheck(agent) },
    '/v1/agent/check/pass/': { PUT: reported(agent, 'passing') },
    '/v1/agent/check/warn/': { PUT: reported(agent, 'warning') },
    '/v1/agent/check/fail/': { PUT: reported(agent, 'critical') },
    '/v1/agent/check/update/': { PUT: updated(agent) },
    '/v1/agent/health/service/id/': { GET: healthById(agent) },
    '/v1/agent/health/service/name/': { GET: healthByName(agent) },
  };
}

function json(value: unknown, query: Query, headers: readonly string[] = [], status = 200): Answer {
  const text = goJson(value);
  return jsonAnswer(query.has('pretty') ? prettyJson(text) : text, headers, status);
}

function listed(agent: Agent, what: 'services' | 'checks'): Handler {
  return (_path, query, caller) => {
    const refused = inNamespace(query, caller);
    if (refused !== undefined) return refused;
    const fields = what === 'services' ? SERVICE_FIELDS : CHECK_FIELDS;
    const filter = filterOf(parameter(query, 'filter'), fields);
    if ('refused' in filter) return textAnswer(500, filter.refused);
    const { table } = agent;
    const { nodeName } = agent.context;
    const views: readonly (readonly [string, object])[] =
      what === 'services'
        ? AGENT_SERVICES.list(table)
            .filter(({ value }) => caller.rights.allows('service', 'read', value.Service))
            .map(({ id, value }) => [id, agentServiceView(value)] as const)
        : AGENT_CHECKS.list(table)
            .map(({ id, value }) => [id, agentCheckView(agent, value)] as const)
            .filter(([, { ServiceName }]) =>
              ServiceName === ''
                ? caller.rights.allows('node', 'read', nodeName)
                : caller.rights.allows('service', 'read', ServiceName),
            );
    return json(Object.fromEntries(views.filter(([, view]) => filter.keeps(view))), query);
  };
}

function oneService(agent: Agent): Handler {
  return (id, query, caller) => {
    const refused = inNamespace(query, caller);
    if (refused !== undefined) return refused;
    const options = agent.context.optionsOf(query);
    if ('status' in options) return options;
    const hash = parameter(query, 'hash');
    const current = () => {
      const service = AGENT_SERVICES.find(agent.table, id)?.value;
      if (service === undefined) return undefined;
      const view = agentServiceView(service);
      const digest = createHash('sha256').update(goJson(view)).digest('hex').slice(0, 16);
      return { service, view, digest };
    };
    // Its index is the hash: the one that the client knows is 1, any other one 2.
    return agent.context.blocking.answer(
      {
        topics: [AGENT_SERVICES.name],
        index: () => (hash !== '' && current()?.digest === hash ? 1 : 2),
        answer: () => {
          const found = current();
          if (found === undefined) return textAnswer(404, `unknown service ID: ${id}`);
          if (!caller.rights.allows('service', 'read', found.service.Service)) {
            return permissionDenied();
          }
          const headers = ['X-Consul-Contenthash', found.digest];
          return json({ ...found.view, ContentHash: found.digest }, query, headers);
        },
      },
      { ...options, index: hash === '' ? 0 : 1 },
      caller,
    );
  };
}

/** A body that says what to do; its refusals are answers. */
function withBody<Body>(
  decoder: Decoder<Body>,
  work: (body: Body, path: string, query: Query, caller: Caller) => Promise<Answer>,
): Handler {
  return async (path, query, caller) => {
    const namespaced = inNamespace(query, caller);
    if (namespaced !== undefined) return namespaced;
    const bytes = await caller.readBody(VALUE_BYTES_MAX);
    if (bytes === undefined) return tooLarge(caller.declaredBytes);
    const decoded = decodeBody(bytes, decoder);
    if ('refused' in decoded) return textAnswer(400, `Request decode failed: ${decoded.refused}`);
    try {
      return await work(decoded.value, path, query, caller);
    } catch (error) {
      if (error instanceof BodyRefusal) return textAnswer(error.status, error.message);
      if (error instanceof CatalogRefusal) return textAnswer(500, error.message);
      throw error;
    }
  };
}

function registerService(agent: Agent, kinds: Kinds): Handler {
  return withBody(serviceBody, async (body, _path, query, { rights }) => {
    const { service, checks, sidecar } = readService(body, kinds, agent.table);
    const denied = mayWriteService(agent, rights, service);
    if (denied !== undefined) return denied;
    const replaces = /^(true)?$/.test(parameter(query, 'replace-existing-checks'));
    const replacesChecks = query.has('replace-existing-checks') && replaces;
    await agent.write((write) => {
      addService(write, service, checks, replacesChecks);
      if (sidecar !== undefined) {
        addService(write, sidecar.service, sidecar.checks, replacesChecks);
      }
    });
    return DONE();
  });
}

function deregisterService(agent: Agent): Handler {
  return async (id, query, caller) => {
    const refused = inNamespace(query, caller);
    if (refused !== undefined) return refused;
    if (id === '') return textAnswer(500, 'ServiceID missing');
    const known = AGENT_SERVICES.find(agent.table, id)?.value;
    const denied = known === undefined ? undefined : mayWriteService(agent, caller.rights, known);
    if (denied !== undefined) return denied;
    await agent.write((write) => removeService(write, id));
    return DONE();
  };
}

function registerCheck(agent: Agent, kinds: Kinds): Handler {
  return withBody(checkBody, async (body, _path, _query, { rights }) => {
    const start = readCheck(body, kinds);
    const denied = mayWriteCheck(agent, rights, start.check);
    if (denied !== undefined) return denied;
    await agent.write((write) => addCheck(write, start));
    return DONE();
  });
}

function knownCheck(agent: Agent, id: string): AgentCheck | undefined {
  return AGENT_CHECKS.find(agent.table, id)?.value;
}

function deregisterCheck(agent: Agent): Handler {
  return async (id, query, caller) => {
    const refused = inNamespace(query, caller);
    if (refused !== undefined) return refused;
    if (id === '') return textAnswer(500, 'CheckID missing');
    const known = knownCheck(agent, id);
    const denied = known === undefined ? undefined : mayWriteCheck(agent, caller.rights, known);
    if (denied !== undefined) return denied;
    await agent.write((write) => removeCheck(write, id));
    return DONE();
  };
}

function reported(agent: Agent, status: Found['status']): Handler {
  return async (id, query, caller) => {
    const refused = inNamespace(query, caller);
    if (refused !== undefined) return refused;
    return report(agent, id, { status, output: parameter(query, 'note') }, caller);
  };
}

function updated(agent: Agent): Handler {
  return withBody(updateBody, async ({ Status, Output }, id, _query, caller) => {
    const status = (['passing', 'warning', 'critical'] as const).find((each) => each === Status);
    if (status === undefined) return textAnswer(400, `Invalid check status: '${Status}'`);
    return report(agent, id, { status, output: Output }, caller);
  });
}

async function report(agent: Agent, id: string, found: Found, { rights }: Caller): Promise<Answer> {
  const known = knownCheck(agent, id);
  const denied = known === undefined ? undefined : mayWriteCheck(agent, rights, known);
  if (denied !== undefined) return denied;
  const bytes = Buffer.from(found.output);
  const output =
    bytes.length <= OUTPUT_BYTES_MAX
      ? found.output
      : `${bytes.subarray(0, OUTPUT_BYTES_MAX)} ... (captured ${OUTPUT_BYTES_MAX} of ${bytes.length} bytes)`;
  const isKnown = await agent.report(id, { status: found.status, output });
  return isKnown
    ? DONE()
    : textAnswer(500, `CheckID ${JSON.stringify(id)} does not have associated TTL`);
}

const STATUS_OF = { passing: 200, warning: 429, critical: 503, maintenance: 503 } as const;

function healthById(agent: Agent): Handler {
  return (id, query, caller) => {
    if (id === '') return textAnswer(500, 'Bad request: Missing serviceID');
    const service = AGENT_SERVICES.find(agent.table, id)?.value;
    if (service === undefined) {
      const reason = `ServiceId ${id} not found`;
      const none = { AggregatedStatus: 'critical', Service: null, Checks: null };
      return reasoned(404, reason, json(wantsText(query, caller) ? reason : none, query));
    }
    if (!caller.rights.allows('service', 'read', service.Service)) return permissionDenied();
    const health = serviceHealth(agent, service);
    return healthAnswer(
      STATUS_OF[health.AggregatedStatus],
      health.AggregatedStatus,
      health,
      query,
      caller,
    );
  };
}

function healthByName(agent: Agent): Handler {
  return (name, query, caller) => {
    if (name === '') return textAnswer(500, 'Bad request: Missing service Name');
    if (!caller.rights.allows('service', 'read', name)) return permissionDenied();
    const found = AGENT_SERVICES.list(agent.table)
      .filter(({ value }) => value.Service === name)
      .map(({ value }) => serviceHealth(agent, value));
    const [first] = found;
    if (first === undefined) {
      return healthAnswer(404, `ServiceName ${name} Not Found`, [], query, caller);
    }
    const worst = found.reduce((left, right) =>
      STATUS_OF[right.AggregatedStatus] > STATUS_OF[left.AggregatedStatus] ? right : left,
    );
    return healthAnswer(
      STATUS_OF[worst.AggregatedStatus],
      worst.AggregatedStatus,
      found,
      query,
      caller,
    );
  };
}

function healthAnswer(
  status: number,
  reason: string,
  view: unknown,
  query: Query,
  caller: Caller,
): Answer {
  const answer = wantsText(query, caller)
    ? variedAnswer(status, ['Content-Type', 'text/plain'], textAnswer(status, reason).body)
    : json(view, query);
  return reasoned(status, reason, answer);
}

function reasoned(status: number, reason: string, answer: Answer): Answer {
  return { ...answer, status, headers: [...answer.headers, 'X-Consul-Reason', reason] };
}

function wantsText(query: Query, { accepts }: Caller): boolean {
  if (accepts.startsWith('text/plain')) return true;
  return parameter(query, 'format') === 'text';
}
