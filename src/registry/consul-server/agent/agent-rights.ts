// Whether the caller may change what the agent has; the refusal when not.

import type { Answer } from '../http.ts';
import { permissionDenied, type Rights } from '../rights.ts';
import type { Agent } from './agent.ts';
import { AGENT_CHECKS, AGENT_SERVICES, type AgentCheck, type AgentService } from './agent-state.ts';

/** Of the service as it is to be, and of the one that it replaces. */
export function mayWriteService(
  agent: Agent,
  rights: Rights,
  service: AgentService,
): Answer | undefined {
  const last = AGENT_SERVICES.find(agent.table, service.ID)?.value.Service;
  const proxied = service.Kind === 'connect-proxy' ? service.Proxy?.DestinationServiceName : '';
  for (const name of [service.Service, last, proxied]) {
    if (name === undefined || name === '' || rights.allows('service', 'write', name)) continue;
    return permissionDenied(`Missing service:write on ${name}`);
  }
  return undefined;
}

/** Of the service that it checks, or of the node; also of the one that it replaces. */
export function mayWriteCheck(agent: Agent, rights: Rights, check: AgentCheck): Answer | undefined {
  const last = AGENT_CHECKS.find(agent.table, check.id)?.value;
  for (const each of [check, ...(last === undefined ? [] : [last])]) {
    const service = AGENT_SERVICES.find(agent.table, each.serviceId)?.value.Service ?? '';
    if (each.serviceId !== '' && !rights.allows('service', 'write', service)) {
      return permissionDenied(`Missing service:write on ${service}`);
    }
    if (each.serviceId === '') {
      const denied = mayWriteNode(agent, rights);
      if (denied !== undefined) return denied;
    }
  }
  return undefined;
}

export function mayWriteNode(agent: Agent, rights: Rights): Answer | undefined {
  const { nodeName } = agent.context;
  if (rights.allows('node', 'write', nodeName)) return undefined;
  return permissionDenied(`Missing node:write on ${nodeName}`);
}
