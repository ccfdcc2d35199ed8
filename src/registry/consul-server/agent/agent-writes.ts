// Writes of our agent, as steps inside of one write of the store: each changes what the agent has and
// what the catalog shows of it together, so that no answer falls between the two.

import type { WriteGroup } from '../../embedded.ts';
import {
  type CatalogNode,
  CatalogRefusal,
  CHECKS,
  deleteCheck,
  deleteNode,
  deleteService,
  ensureCheck,
  ensureService,
  NODES,
  nodeId,
  nodePrefix,
  onNode,
  SERVICES,
} from '../catalog.ts';
import {
  AGENT_CHECK_STATES,
  AGENT_CHECKS,
  AGENT_NODE,
  AGENT_SERVICES,
  type AgentCheck,
  type AgentCheckState,
  type AgentService,
  asCatalogCheck,
  checksOf,
  stateOf,
} from './agent-state.ts';

/** One write: its group, the agent's node, and the time. */
export type AgentWrite = {
  readonly writes: WriteGroup;
  readonly node: string;
  readonly wallMs: number;
};

export type CheckStart = { readonly check: AgentCheck; readonly status: string };

export function addService(
  write: AgentWrite,
  service: AgentService,
  checks: readonly CheckStart[],
  replacesChecks: boolean,
): void {
  const { writes } = write;
  const { table } = writes;
  AGENT_SERVICES.put(writes, service.ID, service);
  showService(write, service);
  for (const start of checks) addCheck(write, start);
  const kept = new Set(checks.map(({ check }) => check.id));
  for (const check of checksOf(table, service.ID)) {
    if (replacesChecks && !kept.has(check.id)) removeCheck(write, check.id);
    else showCheck(write, check);
  }
}

/** A check that is there already keeps what it found. */
export function addCheck(write: AgentWrite, { check, status }: CheckStart): void {
  const { writes, wallMs } = write;
  const { table } = writes;
  const hasService =
    check.serviceId === '' || AGENT_SERVICES.find(table, check.serviceId) !== undefined;
  if (!hasService) {
    throw new CatalogRefusal(`ServiceID ${JSON.stringify(check.serviceId)} does not exist`);
  }
  const isKnown = AGENT_CHECKS.find(table, check.id) !== undefined;
  AGENT_CHECKS.put(writes, check.id, check);
  if (!isKnown) {
    const criticalSinceMs = status === 'critical' ? wallMs : 0;
    AGENT_CHECK_STATES.put(writes, check.id, { status, output: '', criticalSinceMs });
  }
  showCheck(write, check);
}

/** False when there is no such check any more. */
export function setState(
  write: AgentWrite,
  checkId: string,
  found: Pick<AgentCheckState, 'status' | 'output'>,
): boolean {
  const { writes, wallMs } = write;
  const check = AGENT_CHECKS.find(writes.table, checkId)?.value;
  if (check === undefined) return false;
  const last = stateOf(writes.table, checkId);
  const since = last.criticalSinceMs === 0 ? wallMs : last.criticalSinceMs;
  const criticalSinceMs = found.status === 'critical' ? since : 0;
  AGENT_CHECK_STATES.put(writes, checkId, { ...found, criticalSinceMs });
  showCheck(write, check);
  return true;
}

export function removeCheck(write: AgentWrite, checkId: string): void {
  const { writes, node, wallMs } = write;
  if (!AGENT_CHECKS.remove(writes, checkId)) return;
  AGENT_CHECK_STATES.remove(writes, checkId);
  deleteCheck(writes, node, checkId, wallMs);
}

export function removeService(write: AgentWrite, serviceId: string): void {
  const { writes, node, wallMs } = write;
  const { table } = writes;
  for (const check of checksOf(table, serviceId)) removeCheck(write, check.id);
  if (!AGENT_SERVICES.remove(writes, serviceId)) return;
  deleteService(writes, node, serviceId, wallMs);
  for (const { value } of AGENT_SERVICES.list(table)) {
    if (value.sidecarOf === serviceId) removeService(write, value.ID);
  }
}

/** The node itself, as the catalog shows it: what Consul has of a server that is alive. */
export type OwnNode = {
  readonly node: CatalogNode;
  readonly port: number;
  readonly version: string;
};

/** Writes everything that the agent has into the catalog, where it is not as it should be. */
export function showAll(write: AgentWrite, own: OwnNode): void {
  const { writes, node, wallMs } = write;
  const { table } = writes;
  const last = AGENT_NODE.find(table, 'own')?.value.node ?? node;
  if (nodeId(last) !== nodeId(node)) deleteNode(writes, last, wallMs);
  AGENT_NODE.put(writes, 'own', { node });
  showOwnNode(write, own);
  for (const { value } of AGENT_SERVICES.list(table)) showService(write, value);
  for (const { value } of AGENT_CHECKS.list(table)) showCheck(write, value);
  for (const { value } of CHECKS.list(table, nodePrefix(node))) {
    const isOurs =
      value.CheckID === SERF_CHECK || AGENT_CHECKS.find(table, value.CheckID) !== undefined;
    if (!isOurs) deleteCheck(writes, node, value.CheckID, wallMs);
  }
  for (const { value } of SERVICES.list(table, nodePrefix(node))) {
    const isOurs =
      value.ID === CONSUL_SERVICE || AGENT_SERVICES.find(table, value.ID) !== undefined;
    if (!isOurs) deleteService(writes, node, value.ID, wallMs);
  }
}

const SERF_CHECK = 'serfHealth';
const CONSUL_SERVICE = 'consul';

function showOwnNode({ writes, node, wallMs }: AgentWrite, own: OwnNode): void {
  // Without the rules for names that another node has: this one is us.
  const last = NODES.find(writes.table, nodeId(node))?.value;
  if (JSON.stringify(last) !== JSON.stringify(own.node)) {
    NODES.put(writes, nodeId(node), own.node);
  }
  ensureService(writes, {
    Node: node,
    Kind: '',
    ID: CONSUL_SERVICE,
    Service: CONSUL_SERVICE,
    Tags: null,
    Address: '',
    TaggedAddresses: null,
    Meta: {
      non_voter: 'false',
      raft_version: '3',
      serf_protocol_current: '2',
      serf_protocol_max: '5',
      serf_protocol_min: '1',
      version: own.version,
    },
    Port: own.port,
    Weights: { Passing: 1, Warning: 1 },
    EnableTagOverride: false,
    Proxy: null,
    Native: false,
  });
  const serf = {
    ...{ Node: node, CheckID: SERF_CHECK, Name: 'Serf Health Status', Status: 'passing' },
    ...{ Notes: '', Output: 'Agent alive and reachable', ServiceID: '', ServiceName: '' },
    ...{ ServiceTags: null, Type: '', Definition: null },
  };
  ensureCheck(writes, serf, wallMs);
}

function showService({ writes, node }: AgentWrite, service: AgentService): void {
  const { sidecarOf: _, ...shown } = service;
  const last = SERVICES.find(writes.table, onNode(node, service.ID))?.value;
  const tags = service.EnableTagOverride && last !== undefined ? last.Tags : service.Tags;
  ensureService(writes, { ...shown, Tags: tags, Node: node });
}

function showCheck({ writes, node, wallMs }: AgentWrite, check: AgentCheck): void {
  ensureCheck(writes, asCatalogCheck(writes.table, check, node), wallMs);
}
