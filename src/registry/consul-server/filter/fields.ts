// The fields that a filter may name, for each kind of list.

import type { FieldTree } from './filter.ts';

const MAP: FieldTree = { '*': 'text' };
const ADDRESSES: FieldTree = { '*': { Address: 'text', Port: 'number' } };
const WEIGHTS: FieldTree = { Passing: 'number', Warning: 'number' };
const EXPOSE: FieldTree = {
  Checks: 'flag',
  Paths: [
    { ListenerPort: 'number', Path: 'text', LocalPathPort: 'number', Protocol: 'text' },
  ] as const,
};
const PROXY: FieldTree = {
  DestinationServiceName: 'text',
  DestinationServiceID: 'text',
  LocalServiceAddress: 'text',
  LocalServicePort: 'number',
  MeshGateway: { Mode: 'text' },
  Expose: EXPOSE,
  Upstreams: [
    {
      DestinationType: 'text',
      DestinationNamespace: 'text',
      DestinationName: 'text',
      Datacenter: 'text',
      LocalBindAddress: 'text',
      LocalBindPort: 'number',
      MeshGateway: { Mode: 'text' },
    },
  ] as const,
};

export const NODE_FIELDS = {
  ID: 'text',
  Node: 'text',
  Address: 'text',
  Datacenter: 'text',
  TaggedAddresses: MAP,
  Meta: MAP,
} satisfies FieldTree;

/** Of a service on a node, and of the agent's. */
export const SERVICE_FIELDS = {
  Kind: 'text',
  ID: 'text',
  Service: 'text',
  Tags: 'texts',
  Address: 'text',
  TaggedAddresses: ADDRESSES,
  Meta: MAP,
  Port: 'number',
  Weights: WEIGHTS,
  EnableTagOverride: 'flag',
  Proxy: PROXY,
  Connect: { Native: 'flag' },
} satisfies FieldTree;

export const FLAT_SERVICE_FIELDS = {
  ID: 'text',
  Node: 'text',
  Address: 'text',
  Datacenter: 'text',
  TaggedAddresses: MAP,
  NodeMeta: MAP,
  ServiceKind: 'text',
  ServiceID: 'text',
  ServiceName: 'text',
  ServiceTags: 'texts',
  ServiceAddress: 'text',
  ServiceTaggedAddresses: ADDRESSES,
  ServiceWeights: WEIGHTS,
  ServiceMeta: MAP,
  ServicePort: 'number',
  ServiceEnableTagOverride: 'flag',
  ServiceProxy: PROXY,
  ServiceConnect: { Native: 'flag' },
} satisfies FieldTree;

export const CHECK_FIELDS = {
  Node: 'text',
  CheckID: 'text',
  Name: 'text',
  Status: 'text',
  Notes: 'text',
  Output: 'text',
  ServiceID: 'text',
  ServiceName: 'text',
  ServiceTags: 'texts',
  Type: 'text',
} satisfies FieldTree;

export const INSTANCE_FIELDS = {
  Node: NODE_FIELDS,
  Service: SERVICE_FIELDS,
  Checks: [CHECK_FIELDS] as const,
} satisfies FieldTree;
