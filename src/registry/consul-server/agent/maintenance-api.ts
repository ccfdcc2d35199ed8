// Maintenance of a service or of the whole node: a check that is critical until it is over.

import { parameter, type Query, textAnswer } from '../http.ts';
import { inNamespace } from '../namespaces.ts';
import { permissionDenied } from '../rights.ts';
import type { Endpoint, Handler } from '../routes.ts';
import type { Agent } from './agent.ts';
import { DONE } from './agent-api.ts';
import { mayWriteService } from './agent-rights.ts';
import {
  AGENT_CHECKS,
  AGENT_SERVICES,
  type AgentCheck,
  NODE_MAINTENANCE,
  SERVICE_MAINTENANCE,
} from './agent-state.ts';
import { addCheck, removeCheck } from './agent-writes.ts';

const NODE_REASON =
  'Maintenance mode is enabled for this node, but no reason was provided. This is a default message.';
const SERVICE_REASON =
  'Maintenance mode is enabled for this service, but no reason was provided. This is a default message.';

export function maintenanceRoutes(agent: Agent): Readonly<Record<string, Endpoint>> {
  return {
    '/v1/agent/maintenance': { PUT: nodeMaintenance(agent) },
    '/v1/agent/service/maintenance/': { PUT: serviceMaintenance(agent) },
  };
}

function nodeMaintenance(agent: Agent): Handler {
  return async (_path, query, caller) => {
    const wanted = wantedOf(query);
    if (typeof wanted === 'string') return textAnswer(400, wanted);
    const { rights } = caller;
    if (!rights.allows('node', 'write', agent.context.nodeName)) return permissionDenied();
    await switchMaintenance(agent, wanted.enable, {
      ...NO_DETAILS,
      id: NODE_MAINTENANCE,
      name: 'Node Maintenance Mode',
      notes: wanted.reason === '' ? NODE_REASON : wanted.reason,
      serviceId: '',
    });
    return DONE();
  };
}

function serviceMaintenance(agent: Agent): Handler {
  return async (id, query, caller) => {
    if (id === '') return textAnswer(400, 'Missing service ID');
    const wanted = wantedOf(query);
    if (typeof wanted === 'string') return textAnswer(400, wanted);
    const refused = inNamespace(query, caller);
    if (refused !== undefined) return refused;
    const service = AGENT_SERVICES.find(agent.table, id)?.value;
    if (service === undefined) {
      return textAnswer(404, `No service registered with ID ${JSON.stringify(id)}`);
    }
    const denied = mayWriteService(agent, caller.rights, service);
    if (denied !== undefined) return denied;
    await switchMaintenance(agent, wanted.enable, {
      ...NO_DETAILS,
      id: SERVICE_MAINTENANCE + id,
      name: 'Service Maintenance Mode',
      notes: wanted.reason === '' ? SERVICE_REASON : wanted.reason,
      serviceId: id,
    });
    return DONE();
  };
}

const NO_DETAILS = {
  ...{ type: 'maintenance', definition: null },
  ...{ successBeforePassing: 0, failuresBeforeCritical: 0 },
};

/** Who is in maintenance already stays so, with the first reason. */
function switchMaintenance(agent: Agent, enable: boolean, check: AgentCheck): Promise<void> {
  return agent.write((write) => {
    const { table } = write.writes;
    if (!enable) removeCheck(write, check.id);
    else if (AGENT_CHECKS.find(table, check.id) === undefined) {
      addCheck(write, { check, status: 'critical' });
    }
  });
}

/** What is wanted, or why that cannot be told. */
function wantedOf(query: Query): { readonly enable: boolean; readonly reason: string } | string {
  if (!query.has('enable')) return 'Missing value for enable';
  const value = parameter(query, 'enable');
  const reason = parameter(query, 'reason');
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return { enable: true, reason };
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return { enable: false, reason };
  return `Invalid value for enable: ${JSON.stringify(value)}`;
}
