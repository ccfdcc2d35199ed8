// What our one agent has: the services and checks that were registered with it, and what its checks
// found. It is kept beside the catalog, which shows the same for the node of this registry: what is
// deregistered from the catalog alone comes back with the next full write (see agent-writes.ts).

import { DocumentKind, type KeyTable } from '../../embedded.ts';
import type { CatalogCheck, CheckDefinition, NodeService } from '../catalog.ts';

export type AgentService = NodeService & {
  /** Registered inside of another service's registration, and removed with that one. */
  readonly sidecarOf: string;
};

/** A check as it was registered. What it found is its AgentCheckState. */
export type AgentCheck = {
  readonly id: string;
  readonly name: string;
  readonly notes: string;
  readonly serviceId: string;
  readonly type: string;
  /** Null: nobody runs it, as the checks of maintenance. */
  readonly definition: CheckDefinition | null;
  readonly successBeforePassing: number;
  readonly failuresBeforeCritical: number;
};

export type AgentCheckState = {
  readonly status: string;
  readonly output: string;
  /** Since when it is critical, wall clock; 0 while it is not. */
  readonly criticalSinceMs: number;
};

// What is read here is what was written here: the casts say so.
export const AGENT_SERVICES = new DocumentKind<AgentService>(
  'agent-service',
  (json) => json as AgentService,
);
export const AGENT_CHECKS = new DocumentKind<AgentCheck>(
  'agent-check',
  (json) => json as AgentCheck,
);
export const AGENT_CHECK_STATES = new DocumentKind<AgentCheckState>(
  'agent-check-state',
  (json) => json as AgentCheckState,
);

/** The node under which this agent's things stood in the catalog the last time. */
export const AGENT_NODE = new DocumentKind<{ readonly node: string }>(
  'agent-node',
  (json) => json as { readonly node: string },
);

export const NODE_MAINTENANCE = '_node_maintenance';
export const SERVICE_MAINTENANCE = '_service_maintenance:';

const UNKNOWN: AgentCheckState = { status: 'critical', output: '', criticalSinceMs: 0 };

export function stateOf(table: KeyTable, checkId: string): AgentCheckState {
  return AGENT_CHECK_STATES.find(table, checkId)?.value ?? UNKNOWN;
}

/** The check with what it found, as the catalog shows it. */
export function asCatalogCheck(table: KeyTable, check: AgentCheck, node: string): CatalogCheck {
  const { status, output } = stateOf(table, check.id);
  const service =
    check.serviceId === '' ? undefined : AGENT_SERVICES.find(table, check.serviceId)?.value;
  return {
    Node: node,
    CheckID: check.id,
    Name: check.name,
    Status: status,
    Notes: check.notes,
    Output: output,
    ServiceID: check.serviceId,
    ServiceName: service?.Service ?? '',
    ServiceTags: service?.Tags ?? null,
    Type: check.type,
    Definition: null,
  };
}

/** Of the service, and with `withNode` those of the node, which decide about it as well. */
export function checksOf(
  table: KeyTable,
  serviceId: string,
  withNode = false,
): readonly AgentCheck[] {
  return AGENT_CHECKS.list(table)
    .map(({ value }) => value)
    .filter((check) => check.serviceId === serviceId || (withNode && check.serviceId === ''));
}
