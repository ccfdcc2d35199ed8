// What the agent shows of its services and checks; it names things a little differently than the
// catalog does.

import { plainCheck, proxyView } from '../catalog.ts';
import type { Agent } from './agent.ts';
import { type AgentCheck, type AgentService, asCatalogCheck, checksOf } from './agent-state.ts';

export type AgentServiceView = ReturnType<typeof agentServiceView>;

export function agentServiceView(service: AgentService) {
  const hasProxy = service.Kind === 'connect-proxy' || service.Kind.endsWith('-gateway');
  return {
    ...(service.Kind === '' ? {} : { Kind: service.Kind }),
    ID: service.ID,
    Service: service.Service,
    Tags: service.Tags ?? [],
    Meta: service.Meta ?? {},
    Port: service.Port,
    Address: service.Address,
    ...(service.TaggedAddresses === null ? {} : { TaggedAddresses: service.TaggedAddresses }),
    Weights: service.Weights,
    EnableTagOverride: service.EnableTagOverride,
    ...(hasProxy ? { Proxy: proxyView(service.Proxy) } : {}),
    ...(service.Native ? { Connect: { Native: true } } : {}),
  };
}

export function agentCheckView(agent: Agent, check: AgentCheck) {
  const shown = asCatalogCheck(agent.table, check, agent.context.nodeName);
  const { output } = agent.state(check.id);
  return { ...plainCheck({ ...shown, Output: output }), CreateIndex: 0, ModifyIndex: 0 };
}

/** Worst first. */
const SEVERITY = ['maintenance', 'critical', 'warning', 'passing'] as const;
export type Aggregate = (typeof SEVERITY)[number];

const NO_DEFINITION = {
  ...{ Interval: '0s', Timeout: '0s', DeregisterCriticalServiceAfter: '0s' },
  ...{ HTTP: '', Header: null, Method: '', Body: '', TLSSkipVerify: false, TCP: '' },
};

/** A service with what decides about it. */
export function serviceHealth(agent: Agent, service: AgentService) {
  const checks = checksOf(agent.table, service.ID, true);
  const words = checks.map((check) => {
    const isMaintenance = check.definition === null && check.type === 'maintenance';
    return isMaintenance ? 'maintenance' : agent.state(check.id).status;
  });
  const worst: Aggregate = SEVERITY.find((word) => words.includes(word)) ?? 'passing';
  return {
    AggregatedStatus: worst,
    Service: agentServiceView(service),
    Checks: checks.map((check) => {
      const { ServiceTags } = asCatalogCheck(agent.table, check, agent.context.nodeName);
      const view = agentCheckView(agent, check);
      return { ...view, ServiceTags, Type: '', Definition: NO_DEFINITION };
    }),
  };
}
