// Writes of the catalog, as steps inside of one write of the store. What is written identically changes
// nothing. Every change raises the index of the services that it concerns, and sessions end with the
// node and the checks that they depend on.

import { isDeepStrictEqual } from 'node:util';
import { TOPIC, touchTopic, type WriteGroup } from '../../embedded.ts';
import { checksOfSession, endSessions } from '../sessions.ts';
import {
  type CatalogCheck,
  type CatalogNode,
  type CatalogService,
  CHECKS,
  NODES,
  nodeId,
  nodePrefix,
  onNode,
  SERVICE_GONE,
  SERVICES,
  serviceTopic,
} from './entities.ts';

/** A refusal; the message is Consul's. */
export class CatalogRefusal extends Error {}

export function ensureNode(writes: WriteGroup, node: CatalogNode): void {
  const { table } = writes;
  const last = NODES.find(table, nodeId(node.Node));
  if (node.ID !== '') {
    for (const other of NODES.list(table)) {
      if (other.value.ID !== node.ID || nodeId(other.value.Node) === nodeId(node.Node)) continue;
      if (last !== undefined) throw taken(node, last.value);
      deleteNode(writes, other.value.Node);
    }
    if (last !== undefined && last.value.ID !== '' && last.value.ID !== node.ID) {
      const serf = CHECKS.find(table, onNode(node.Node, 'serfHealth'));
      if (serf !== undefined && serf.value.Status !== 'critical') throw taken(node, last.value);
    }
  }
  if (last !== undefined && isDeepStrictEqual(last.value, node)) return;
  NODES.put(writes, nodeId(node.Node), node);
  touchServicesOf(writes, node.Node);
}

function taken(node: CatalogNode, by: CatalogNode): CatalogRefusal {
  return new CatalogRefusal(
    `Error while renaming Node ID: "${node.ID}": Node name ${node.Node} is reserved by node ${by.ID} with name ${by.Node} (${by.Address})`,
  );
}

export function ensureService(writes: WriteGroup, service: CatalogService): void {
  const { table } = writes;
  if (NODES.find(table, nodeId(service.Node)) === undefined) {
    throw new CatalogRefusal('Missing node registration');
  }
  const id = onNode(service.Node, service.ID);
  const last = SERVICES.find(table, id)?.value;
  if (last !== undefined && isDeepStrictEqual(last, service)) return;
  SERVICES.put(writes, id, service);
  touchTopic(writes, serviceTopic(service.Service));
  if (last !== undefined && last.Service !== service.Service) touchLeft(writes, last.Service);
}

export function ensureCheck(writes: WriteGroup, given: CatalogCheck, wallMs: number): void {
  const { table } = writes;
  if (NODES.find(table, nodeId(given.Node)) === undefined) {
    throw new CatalogRefusal('Missing node registration');
  }
  let check = given.Status === '' ? { ...given, Status: 'critical' } : given;
  if (check.ServiceID !== '') {
    const service = SERVICES.find(table, onNode(check.Node, check.ServiceID))?.value;
    if (service === undefined) throw new CatalogRefusal('Missing service registration');
    check = { ...check, ServiceName: service.Service, ServiceTags: service.Tags };
  }
  const id = onNode(check.Node, check.CheckID);
  const last = CHECKS.find(table, id)?.value;
  if (last === undefined || !isDeepStrictEqual(last, check)) {
    CHECKS.put(writes, id, check);
    touchConcerned(writes, check);
  }
  if (check.Status === 'critical') endSessionsOfCheck(writes, check, wallMs);
}

/** Only its status and what it said; its place in the catalog stays as it is. */
export function deleteCheck(
  writes: WriteGroup,
  node: string,
  checkId: string,
  wallMs: number,
): void {
  const id = onNode(node, checkId);
  const check = CHECKS.find(writes.table, id)?.value;
  if (check === undefined) return;
  CHECKS.remove(writes, id);
  touchConcerned(writes, check);
  if (check.ServiceID === '') touchTopic(writes, SERVICES.name);
  endSessionsOfCheck(writes, check, wallMs);
}

export function deleteService(
  writes: WriteGroup,
  node: string,
  serviceId: string,
  wallMs: number,
): void {
  const { table } = writes;
  const id = onNode(node, serviceId);
  const service = SERVICES.find(table, id)?.value;
  if (service === undefined) return;
  for (const { value } of CHECKS.list(table, nodePrefix(node))) {
    if (value.ServiceID.toLowerCase() === serviceId.toLowerCase()) {
      deleteCheck(writes, node, value.CheckID, wallMs);
    }
  }
  SERVICES.remove(writes, id);
  touchTopic(writes, CHECKS.name);
  touchLeft(writes, service.Service);
}

export function deleteNode(writes: WriteGroup, node: string, wallMs = Date.now()): void {
  const { table } = writes;
  if (NODES.find(table, nodeId(node)) === undefined) return;
  for (const { value } of SERVICES.list(table, nodePrefix(node))) {
    deleteService(writes, node, value.ID, wallMs);
  }
  for (const { value } of CHECKS.list(table, nodePrefix(node))) {
    deleteCheck(writes, node, value.CheckID, wallMs);
  }
  NODES.remove(writes, nodeId(node));
  endSessions(writes, (session) => nodeId(session.node) === nodeId(node), wallMs);
}

/** An instance left the service: the others show it, or the service is gone. */
function touchLeft(writes: WriteGroup, name: string): void {
  const lower = name.toLowerCase();
  const isLeft = SERVICES.list(writes.table).some(
    ({ value }) => value.Service.toLowerCase() === lower,
  );
  if (isLeft) {
    touchTopic(writes, serviceTopic(name));
  } else {
    writes.unset(TOPIC, serviceTopic(name));
    touchTopic(writes, SERVICE_GONE);
  }
}

function touchConcerned(writes: WriteGroup, check: CatalogCheck): void {
  if (check.ServiceID === '') touchServicesOf(writes, check.Node);
  else touchTopic(writes, serviceTopic(check.ServiceName));
}

function touchServicesOf(writes: WriteGroup, node: string): void {
  const services = SERVICES.list(writes.table, nodePrefix(node));
  for (const name of new Set(services.map(({ value }) => value.Service))) {
    touchTopic(writes, serviceTopic(name));
  }
}

function endSessionsOfCheck(writes: WriteGroup, check: CatalogCheck, wallMs: number): void {
  const id = check.CheckID.toLowerCase();
  endSessions(
    writes,
    (session) =>
      nodeId(session.node) === nodeId(check.Node) &&
      checksOfSession(session).some((each) => each.toLowerCase() === id),
    wallMs,
  );
}
