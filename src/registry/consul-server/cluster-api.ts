// What is asked of a cluster, answered by one server that is all of it: its peers, and where its nodes
// are. Nothing of it can be changed.

import { formatAddress } from '../../base/units.ts';
import { goJson, prettyJson } from './go.ts';
import type { Query } from './http.ts';
import { type Answer, emptyAnswer, indexHeaders, jsonAnswer } from './http.ts';
import { permissionDenied } from './rights.ts';
import type { ApiContext, Family, Handler } from './routes.ts';

/** The middle of all coordinates: there is nobody to measure a distance to. */
const ORIGIN = { Vec: [0, 0, 0, 0, 0, 0, 0, 0], Error: 1.5, Adjustment: 0, Height: 0.00001 };

export function clusterFamily(context: ApiContext): Family {
  const { nodeName, datacenter } = context;
  const answered = (value: unknown, query: Query, headers: readonly string[] = []): Answer => {
    const json = goJson(value);
    return jsonAnswer(query.has('pretty') ? prettyJson(json) : json, headers);
  };
  const node = { Node: nodeName, Segment: '', Coord: ORIGIN };

  const raft: Handler = (_path, query, { rights }) => {
    const options = context.optionsOf(query);
    if ('status' in options) return options;
    if (!rights.allows('operator', 'read', '')) return permissionDenied();
    const server = {
      ...{ ID: context.nodeId, Node: nodeName, Address: formatAddress(context.serverAddress) },
      ...{ Leader: true, ProtocolVersion: '3', Voter: true },
    };
    return answered({ Servers: [server], Index: 0 }, query);
  };

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
      '/v1/coordinate/datacenters': { GET: datacenters },
      '/v1/coordinate/nodes': { GET: nodes },
      '/v1/coordinate/node/': { GET: oneNode },
    },
  };
}
