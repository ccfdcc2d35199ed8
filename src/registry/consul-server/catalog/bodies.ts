// The bodies in which nodes, services and checks come, and what they say.

import {
  anything,
  type Decoded,
  type Decoder,
  duration,
  flag,
  integer,
  list,
  map,
  optional,
  struct,
  text,
} from '../go.ts';
import type { CatalogCheck, CheckDefinition, NodeService, ProxyConfig } from './entities.ts';

const texts = list(text);
const textMap = map(text);
const weights = optional(struct('structs.Weights', { Passing: integer, Warning: integer }));
export const addresses = map(struct('structs.ServiceAddress', { Address: text, Port: integer }));
const indexes = { CreateIndex: integer, ModifyIndex: integer };

const proxy = optional(
  struct(
    'structs.ConnectProxyConfig',
    {
      DestinationServiceName: text,
      DestinationServiceID: text,
      LocalServiceAddress: text,
      LocalServicePort: integer,
      Config: anything,
      Upstreams: anything,
      MeshGateway: anything,
      Expose: anything,
    },
    {
      aliases: {
        destination_service_name: 'DestinationServiceName',
        destination_service_id: 'DestinationServiceID',
        local_service_address: 'LocalServiceAddress',
        local_service_port: 'LocalServicePort',
        mesh_gateway: 'MeshGateway',
      },
    },
  ),
);

/** `SidecarService` is kept as it is written: whoever offers it reads it. */
const connect = optional(
  struct(
    'structs.ServiceConnect',
    { Native: flag, SidecarService: anything },
    { aliases: { sidecar_service: 'SidecarService' } },
  ),
);

export const serviceMembers = {
  Kind: text,
  ID: text,
  Tags: texts,
  Address: text,
  TaggedAddresses: addresses,
  Meta: textMap,
  Port: integer,
  Weights: weights,
  EnableTagOverride: flag,
  Proxy: proxy,
  Connect: connect,
};

const serviceAliases = {
  enable_tag_override: 'EnableTagOverride',
  tagged_addresses: 'TaggedAddresses',
} as const;

export { serviceAliases };

export const nodeServiceBody = struct(
  'structs.NodeService',
  { ...serviceMembers, Service: text, ...indexes },
  { aliases: serviceAliases },
);

/** What all bodies of a service share, as the catalog keeps it. */
export function nodeService(
  body: Decoded<ReturnType<typeof struct<typeof serviceMembers>>>,
  name: string,
): NodeService {
  return {
    Kind: body.Kind,
    ID: body.ID === '' ? name : body.ID,
    Service: name,
    Tags: body.Tags,
    Address: body.Address,
    TaggedAddresses: noneIfEmpty(body.TaggedAddresses),
    Meta: body.Meta,
    Port: body.Port,
    Weights: body.Weights ?? { Passing: 1, Warning: 1 },
    EnableTagOverride: body.EnableTagOverride,
    Proxy: keptProxy(body.Proxy),
    Native: body.Connect?.Native ?? false,
  };
}

function keptProxy(given: Decoded<typeof proxy>): ProxyConfig | null {
  if (given === null) return null;
  const isEmpty = Object.values(given).every(
    (value) =>
      value === null || value === '' || value === 0 || Object.keys(value ?? {}).length === 0,
  );
  return isEmpty ? null : given;
}

export function noneIfEmpty<Value extends object>(value: Value | null): Value | null {
  return value !== null && Object.keys(value).length > 0 ? value : null;
}

/** What checks anything, wherever it stands. */
export const checkMembers = {
  HTTP: text,
  Header: map(texts),
  Method: text,
  Body: text,
  TCP: text,
  Interval: duration,
  OutputMaxSize: integer,
  Timeout: duration,
  DeregisterCriticalServiceAfter: duration,
  ScriptArgs: texts,
  DockerContainerID: text,
  Shell: text,
  GRPC: text,
  GRPCUseTLS: flag,
  AliasNode: text,
  AliasService: text,
  TTL: duration,
  TLSSkipVerify: flag,
};

export const checkAliases = {
  args: 'ScriptArgs',
  script_args: 'ScriptArgs',
  docker_container_id: 'DockerContainerID',
  tls_skip_verify: 'TLSSkipVerify',
  deregister_critical_service_after: 'DeregisterCriticalServiceAfter',
} as const;

export function checkDefinition(body: CheckDefinition): CheckDefinition {
  const { HTTP, TLSSkipVerify, Header, Method, Body, TCP, Interval, OutputMaxSize } = body;
  const { Timeout, DeregisterCriticalServiceAfter, ScriptArgs, DockerContainerID, Shell } = body;
  const { GRPC, GRPCUseTLS, AliasNode, AliasService, TTL } = body;
  return {
    ...{ HTTP, TLSSkipVerify, Header, Method, Body, TCP, Interval, OutputMaxSize, Timeout },
    ...{ DeregisterCriticalServiceAfter, ScriptArgs, DockerContainerID, Shell, GRPC },
    ...{ GRPCUseTLS, AliasNode, AliasService, TTL },
  };
}

/** Consul's word for what the definition asks; '' when it asks nothing. */
export function checkType(definition: CheckDefinition): string {
  const isScript = (definition.ScriptArgs ?? []).length > 0;
  if (definition.AliasNode !== '' || definition.AliasService !== '') return 'alias';
  if (definition.DockerContainerID !== '') return isScript ? 'docker' : '';
  if (isScript) return 'script';
  if (definition.HTTP !== '') return 'http';
  if (definition.GRPC !== '') return 'grpc';
  if (definition.TCP !== '') return 'tcp';
  return definition.TTL > 0 ? 'ttl' : '';
}

const definitionBody: Decoder<CheckDefinition | null> = optional(
  struct('structs.HealthCheckDefinition', checkMembers, { aliases: checkAliases }),
);

export const healthCheckBody = struct('structs.HealthCheck', {
  Node: text,
  CheckID: text,
  Name: text,
  Status: text,
  Notes: text,
  Output: text,
  ServiceID: text,
  ServiceName: text,
  ServiceTags: texts,
  Type: text,
  Definition: definitionBody,
  ...indexes,
});

/** As the catalog keeps it. `node`: where it is when it does not say so. */
export function catalogCheck(
  { Definition, CreateIndex: _, ModifyIndex: __, ...body }: Decoded<typeof healthCheckBody>,
  node: string,
): CatalogCheck {
  const definition = Definition === null ? null : checkDefinition(Definition);
  const isEmpty = Object.values(definition ?? {}).every(
    (value) => value === null || value === '' || value === 0 || value === false,
  );
  return {
    ...body,
    Node: body.Node === '' ? node : body.Node,
    CheckID: body.CheckID === '' ? body.Name : body.CheckID,
    Type: body.Type === '' && definition !== null ? checkType(definition) : body.Type,
    Definition: isEmpty ? null : definition,
  };
}

export const nodeBody = struct('structs.Node', {
  ID: text,
  Node: text,
  Address: text,
  Datacenter: text,
  TaggedAddresses: textMap,
  Meta: textMap,
  ...indexes,
});

const writeRequest = { Token: text };

export const registerBody = struct('structs.RegisterRequest', {
  Datacenter: text,
  ID: text,
  Node: text,
  Address: text,
  TaggedAddresses: textMap,
  NodeMeta: textMap,
  Service: optional(nodeServiceBody),
  Check: optional(healthCheckBody),
  Checks: list(healthCheckBody),
  SkipNodeUpdate: flag,
  ...writeRequest,
  ...indexes,
});

export const deregisterBody = struct('structs.DeregisterRequest', {
  Datacenter: text,
  Node: text,
  Address: text,
  ServiceID: text,
  CheckID: text,
  ...writeRequest,
});
