// What the catalog answers: which services and checks belong together. Services by name and checks by
// instance are looked up in a view that is made anew when one of them changed; everything else is read
// in the order of the ids, which is Consul's order.

import { type KeyTable, type Store, type Stored, TOPIC, topicIndex } from '../../embedded.ts';
import type { CheckStatus } from '../routes.ts';
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

type View = {
  readonly servicesAt: number;
  readonly checksAt: number;
  /** By the name of the service, lower case. */
  readonly services: ReadonlyMap<string, readonly Stored<CatalogService>[]>;
  /** By `onNode(node, service)`; with '' as service, those of the node itself. */
  readonly checks: ReadonlyMap<string, readonly Stored<CatalogCheck>[]>;
};

const views = new WeakMap<KeyTable, View>();

/** Only between writes: inside of one it may not see what that one changed. */
function viewOf(table: KeyTable): View {
  const servicesAt = topicIndex(table, SERVICES.name);
  const checksAt = topicIndex(table, CHECKS.name);
  const last = views.get(table);
  if (last?.servicesAt === servicesAt && last.checksAt === checksAt) return last;
  const view = {
    servicesAt,
    checksAt,
    services:
      last?.servicesAt === servicesAt
        ? last.services
        : Map.groupBy(SERVICES.list(table), ({ value }) => value.Service.toLowerCase()),
    checks:
      last?.checksAt === checksAt
        ? last.checks
        : Map.groupBy(CHECKS.list(table), ({ value }) => onNode(value.Node, value.ServiceID)),
  };
  views.set(table, view);
  return view;
}

export function servicesNamed(table: KeyTable, name: string): readonly Stored<CatalogService>[] {
  return viewOf(table).services.get(name.toLowerCase()) ?? [];
}

/** The instances that stand for the service in a mesh: its proxies, and those that do it by themselves. */
export function meshServices(table: KeyTable, name: string): readonly Stored<CatalogService>[] {
  const lower = name.toLowerCase();
  return SERVICES.list(table).filter(({ value }) =>
    value.Kind === 'connect-proxy'
      ? value.Proxy?.DestinationServiceName.toLowerCase() === lower
      : value.Native && value.Service.toLowerCase() === lower,
  );
}

export function allServices(table: KeyTable): readonly Stored<CatalogService>[] {
  return SERVICES.list(table);
}

export function findNode(table: KeyTable, name: string): Stored<CatalogNode> | undefined {
  return NODES.find(table, nodeId(name));
}

/** By name, or by an id or the unambiguous beginning of one. */
export function findNodeByNameOrId(
  table: KeyTable,
  nameOrId: string,
): Stored<CatalogNode> | undefined {
  const named = findNode(table, nameOrId);
  if (named !== undefined || nameOrId.length < 2) return named;
  const found = NODES.list(table).filter(({ value }) =>
    value.ID.toLowerCase().startsWith(nameOrId.toLowerCase()),
  );
  return found.length === 1 ? found[0] : undefined;
}

export function servicesOfNode(table: KeyTable, node: string): readonly Stored<CatalogService>[] {
  return SERVICES.list(table, nodePrefix(node));
}

export function checksOfNode(table: KeyTable, node: string): readonly Stored<CatalogCheck>[] {
  return CHECKS.list(table, nodePrefix(node));
}

export function checksOfService(table: KeyTable, name: string): readonly Stored<CatalogCheck>[] {
  const lower = name.toLowerCase();
  return CHECKS.list(table).filter(({ value }) => value.ServiceName.toLowerCase() === lower);
}

export function checksInState(table: KeyTable, state: string): readonly Stored<CatalogCheck>[] {
  const all = CHECKS.list(table);
  return state === 'any' ? all : all.filter(({ value }) => value.Status === state);
}

/** What decides about an instance: the checks of its node, then its own. */
export function checksOfInstance(
  table: KeyTable,
  { Node, ID }: CatalogService,
): readonly Stored<CatalogCheck>[] {
  const { checks } = viewOf(table);
  const own = ID === '' ? [] : (checks.get(onNode(Node, ID)) ?? []);
  return [...(checks.get(onNode(Node, '')) ?? []), ...own];
}

export function nodesIndex(table: KeyTable): number {
  return topicIndex(table, NODES.name);
}

export function servicesIndex(table: KeyTable): number {
  return topicIndex(table, SERVICES.name);
}

export function checksIndex(table: KeyTable): number {
  return topicIndex(table, CHECKS.name);
}

/** Of one service: its own index while it has instances, then that of the last one that went. */
export function serviceIndex(table: KeyTable, name: string, exists: boolean): number {
  const topic = exists ? serviceTopic(name) : SERVICE_GONE;
  const own = table.family(TOPIC).get(topic)?.modifyIndex;
  return own ?? topicIndex(table, NODES.name, SERVICES.name, CHECKS.name);
}

export function checkStatus(store: Store): CheckStatus {
  return {
    hasNode: (node) => findNode(store.table, node) !== undefined,
    statusOf: (node, checkId) => CHECKS.find(store.table, onNode(node, checkId))?.value.Status,
  };
}
