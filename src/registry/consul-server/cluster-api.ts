// What is asked of a cluster, answered by one server that is all of it: its peers, and where its nodes
// are. Nothing of it can be changed.

import { formatAddress } from '../../base/units.ts';
import { COMPATIBLE_VERSION } from './agent-document.ts';
import { goJson, prettyJson } from './go.ts';
import type { Query } from './http.ts';
import { type Answer, emptyAnswer, indexHeaders, jsonAnswer } from './http.ts';
import { permissionDenied } from './rights.ts';
import type { ApiContext, Family, Handler } from './routes.ts';

/** The middle of all coordinates: there is nobody to measure a distance to. */
const ORIGIN = { Vec: [0, 0, 0, 0, 0, 0, 0, 0], Error: 1.5, Adjustment: 0, Height: 0.00001 };

/** Consul's defaults; with one server none of them does anything. */
const AUTOPILOT = {
  ...{ CleanupDeadServers: true, LastContactThreshold: '200ms', MaxTrailingLogs: 250 },
  ...{ MinQuorum: 0, ServerStabilizationTime: '10s', RedundancyZoneTag: '' },
  ...{ DisableUpgradeMigration: false, UpgradeVersionTag: '', CreateIndex: 1, ModifyIndex: 1 },
};

export function clusterFamily(context: ApiContext): Family {
  const { nodeName, datacenter } = context;
  const answered = (value: unknown, query: Query, headers: readonly string[] = []): Answer => {
    const json = goJson(value);
    return jsonAnswer(query.has('pretty') ? prettyJson(json) : json, headers);
  };
  const node = { Node: nodeName, Segment: '', Coord: ORIGIN };

  /** What is shown to those who may read what an operator sets. */
  const forOperators =
    (value: () => unknown): Handler =>
    (_path, query, { rights }) => {
      const options = context.optionsOf(query);
      if ('status' in options) return options;
      if (!rights.allows('operator', 'read', '')) return permissionDenied();
      return answered(value(), query);
    };
  const id = context.nodeId;
  const address = formatAddress(context.serverAddress);

  const raft = forOperators(() => {
    const base = { ID: id, Node: nodeName, Address: address };
    return { Servers: [{ ...base, Leader: true, ProtocolVersion: '3', Voter: true }], Index: 0 };
  });

  const startedAt = `${new Date(context.clock.wallMs()).toISOString().slice(0, 19)}Z`;
  const health = forOperators(() => {
    const server = {
      ...{ ID: id, Name: nodeName, Address: address, SerfStatus: 'alive' },
      ...{ Version: COMPATIBLE_VERSION, Leader: true, LastContact: '0s', LastTerm: 1 },
      ...{ LastIndex: context.store.table.index, Healthy: true, Voter: true },
      StableSince: startedAt,
    };
    return { Healthy: true, FailureTolerance: 0, Servers: [server] };
  });

  const autopilot = forOperators(() => AUTOPILOT);

  const datacenters: Handler = (_path, query) => {
    const own = { Node: `${nodeName}.${datacenter}`, Coord: ORIGIN };
    return answered([{ Datacenter: datacenter, AreaID: 'wan', Coordinates: [own] }], query);
  };

  const nodes: Handler = (_path, query, { rights }) => {
    const options = context.optionsOf(query);
    if ('status' in options) return options;
    const seen = rights.allows('node', 'read', nodeName) ? [node] : [];
    return answered(seen, query, indexHeaders(1));
  };

  const oneNode: Handler = (name, query, { rights }) => {
    const options = context.optionsOf(query);
    if ('status' in options) return options;
    if (!rights.allows('node', 'read', name)) return permissionDenied();
    return name === nodeName ? answered([node], query, indexHeaders(1)) : emptyAnswer(404);
  };

  return {
    routes: {
      '/v1/operator/raft/configuration': { GET: raft },
      '/v1/operator/autopilot/configuration': { GET: autopilot },
      '/v1/operator/autopilot/health': { GET: health },
      '/v1/coordinate/datacenters': { GET: datacenters },
      '/v1/coordinate/nodes': { GET: nodes },
      '/v1/coordinate/node/': { GET: oneNode },
    },
  };
}
