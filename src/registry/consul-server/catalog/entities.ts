// What the catalog holds: nodes, services on nodes, checks on nodes. They are kept in the words of
// Consul's API, with its members in its order, because everything that is asked of them (lists,
// `filter` expressions, transactions) speaks these words.

import { DocumentKind, type Stored } from '../../embedded.ts';
import { goDurationText } from '../go.ts';

export type Texts = Readonly<Record<string, string>>;

export type CatalogNode = {
  readonly ID: string;
  readonly Node: string;
  readonly Address: string;
  readonly Datacenter: string;
  readonly TaggedAddresses: Texts | null;
  readonly Meta: Texts | null;
};

export type ServiceAddress = { readonly Address: string; readonly Port: number };
export type Weights = { readonly Passing: number; readonly Warning: number };

/** Of a service of the kind `connect-proxy`: kept and shown, nothing here acts on it. */
export type ProxyConfig = {
  readonly DestinationServiceName: string;
  readonly DestinationServiceID: string;
  readonly LocalServiceAddress: string;
  readonly LocalServicePort: number;
  readonly Config: unknown;
  readonly Upstreams: unknown;
  readonly MeshGateway: unknown;
  readonly Expose: unknown;
};

export type NodeService = {
  readonly Kind: string;
  readonly ID: string;
  readonly Service: string;
  readonly Tags: readonly string[] | null;
  readonly Address: string;
  readonly TaggedAddresses: Readonly<Record<string, ServiceAddress>> | null;
  readonly Meta: Texts | null;
  readonly Port: number;
  readonly Weights: Weights;
  readonly EnableTagOverride: boolean;
  readonly Proxy: ProxyConfig | null;
  readonly Native: boolean;
};

export type CatalogService = NodeService & { readonly Node: string };

/** Durations in nanoseconds. */
export type CheckDefinition = {
  readonly HTTP: string;
  readonly TLSSkipVerify: boolean;
  readonly Header: Readonly<Record<string, readonly string[] | null>> | null;
  readonly Method: string;
  readonly Body: string;
  readonly TCP: string;
  readonly Interval: number;
  readonly OutputMaxSize: number;
  readonly Timeout: number;
  readonly DeregisterCriticalServiceAfter: number;
  readonly ScriptArgs: readonly string[] | null;
  readonly DockerContainerID: string;
  readonly Shell: string;
  readonly GRPC: string;
  readonly GRPCUseTLS: boolean;
  readonly AliasNode: string;
  readonly AliasService: string;
  readonly TTL: number;
};

export type CatalogCheck = {
  readonly Node: string;
  readonly CheckID: string;
  readonly Name: string;
  readonly Status: string;
  readonly Notes: string;
  readonly Output: string;
  readonly ServiceID: string;
  readonly ServiceName: string;
  readonly ServiceTags: readonly string[] | null;
  readonly Type: string;
  readonly Definition: CheckDefinition | null;
};

// What is read here is what was written here: the casts say so.
export const NODES = new DocumentKind<CatalogNode>('node', (json) => json as CatalogNode);
export const SERVICES = new DocumentKind<CatalogService>(
  'service',
  (json) => json as CatalogService,
);
export const CHECKS = new DocumentKind<CatalogCheck>('check', (json) => json as CatalogCheck);

/** Before all that a name may contain, so that ids sort by node and then by what is on it. */
const SEPARATOR = '\u0001';

/** Names differ by more than case. */
export function nodeId(node: string): string {
  return node.toLowerCase();
}

export function onNode(node: string, id: string): string {
  return `${node}${SEPARATOR}${id}`.toLowerCase();
}

/** Of all that is on the node: table whose id begins so. */
export function nodePrefix(node: string): string {
  return `${node}${SEPARATOR}`.toLowerCase();
}

/** The topic of the instances of one service, their checks and their nodes. */
export function serviceTopic(name: string): string {
  return `service/${name.toLowerCase()}`;
}

/** The topic that changes when the last instance of a service goes. */
export const SERVICE_GONE = 'service-gone';

export function nodeView({ value, createIndex, modifyIndex }: Stored<CatalogNode>): NodeView {
  return { ...value, CreateIndex: createIndex, ModifyIndex: modifyIndex };
}

export type NodeView = CatalogNode & { readonly CreateIndex: number; readonly ModifyIndex: number };

export type ServiceView = ReturnType<typeof serviceView>;

/** A service as health, node and transaction answers show it. */
export function serviceView({ value, createIndex, modifyIndex }: Stored<CatalogService>) {
  return {
    ...(value.Kind === '' ? {} : { Kind: value.Kind }),
    ID: value.ID,
    Service: value.Service,
    Tags: value.Tags ?? [],
    Address: value.Address,
    ...(value.TaggedAddresses === null ? {} : { TaggedAddresses: value.TaggedAddresses }),
    Meta: value.Meta,
    Port: value.Port,
    Weights: value.Weights,
    EnableTagOverride: value.EnableTagOverride,
    Proxy: proxyView(value.Proxy),
    Connect: value.Native ? { Native: true } : {},
    CreateIndex: createIndex,
    ModifyIndex: modifyIndex,
  };
}

/** A service with its node in one, as `/v1/catalog/service` shows it. */
export function flatView(node: CatalogNode, stored: Stored<CatalogService>) {
  const { value, createIndex, modifyIndex } = stored;
  return {
    ID: node.ID,
    Node: node.Node,
    Address: node.Address,
    Datacenter: node.Datacenter,
    TaggedAddresses: node.TaggedAddresses,
    NodeMeta: node.Meta,
    ServiceKind: value.Kind,
    ServiceID: value.ID,
    ServiceName: value.Service,
    ServiceTags: value.Tags ?? [],
    ServiceAddress: value.Address,
    ...(value.TaggedAddresses === null ? {} : { ServiceTaggedAddresses: value.TaggedAddresses }),
    ServiceWeights: value.Weights,
    ServiceMeta: value.Meta ?? {},
    ServicePort: value.Port,
    ServiceEnableTagOverride: value.EnableTagOverride,
    ServiceProxy: proxyView(value.Proxy),
    ServiceConnect: value.Native ? { Native: true } : {},
    CreateIndex: createIndex,
    ModifyIndex: modifyIndex,
  };
}

export function proxyView(proxy: ProxyConfig | null) {
  const { MeshGateway = null, Expose = null, ...rest } = proxy ?? {};
  return { ...withoutZeros(rest), MeshGateway: MeshGateway ?? {}, Expose: Expose ?? {} };
}

export type CheckView = ReturnType<typeof checkView>;

export function checkView(stored: Stored<CatalogCheck>) {
  const { createIndex, modifyIndex } = stored;
  return { ...plainCheck(stored.value), CreateIndex: createIndex, ModifyIndex: modifyIndex };
}

export function plainCheck({ ServiceTags, Definition, ...check }: CatalogCheck) {
  const { Type, ...rest } = check;
  return { ...rest, ServiceTags: ServiceTags ?? [], Type, Definition: definitionView(Definition) };
}

function definitionView(definition: CheckDefinition | null): object {
  if (definition === null) return {};
  const { Interval, OutputMaxSize, Timeout, DeregisterCriticalServiceAfter, ...rest } = definition;
  const spoken = (ns: number): string => (ns === 0 ? '' : goDurationText(ns));
  return withoutZeros({
    Interval: spoken(Interval),
    OutputMaxSize,
    Timeout: spoken(Timeout),
    DeregisterCriticalServiceAfter: spoken(DeregisterCriticalServiceAfter),
    ...rest,
  });
}

/** As Go's omitempty leaves members out. */
function withoutZeros(value: object): object {
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
  return Object.fromEntries(
    entries.filter(([, member]) => {
      if (member === null || member === '' || member === 0 || member === false) return false;
      if (typeof member !== 'object') return true;
      return Object.keys(member).length > 0;
    }),
  );
}
