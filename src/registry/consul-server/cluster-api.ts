// What is asked of a cluster, answered by one server that is all of it: its peers, and where its nodes
// are. What an operator sets for the autopilot is kept and shown; one server has nothing to do with it.

import { formatAddress } from '../../base/units.ts';
import { DocumentKind } from '../embedded.ts';
import { COMPATIBLE_VERSION } from './agent-document.ts';
import { decodeBody, flag, goJson, integer, prettyJson, struct, text } from './go.ts';
import type { Query } from './http.ts';
import {
  type Answer,
  emptyAnswer,
  indexHeaders,
  jsonAnswer,
  parameter,
  parseGoDuration,
  parseUint64,
  textAnswer,
} from './http.ts';
import { permissionDenied } from './rights.ts';
import type { ApiContext, Family, Handler } from './routes.ts';

/** The middle of all coordinates: there is nobody to measure a distance to. */
const ORIGIN = { Vec: [0, 0, 0, 0, 0, 0, 0, 0], Error: 1.5, Adjustment: 0, Height: 0.00001 };

/** Consul's defaults; with one server none of them does anything. */
const AUTOPILOT = {
  ...{ CleanupDeadServers: true, LastContactThreshold: '200ms', MaxTrailingLogs: 250 },
  ...{ MinQuorum: 0, ServerStabilizationTime: '10s', RedundancyZoneTag: '' },
  ...{ DisableUpgradeMigration: false, UpgradeVersionTag: '' },
};

const AUTOPILOT_BODY = struct(
  'api.AutopilotConfiguration',
  {
    ...{ CleanupDeadServers: flag, LastContactThreshold: text, MaxTrailingLogs: integer },
    ...{ MinQuorum: integer, ServerStabilizationTime: text, RedundancyZoneTag: text },
    ...{ DisableUpgradeMigration: flag, UpgradeVersionTag: text },
  },
  { ignored: ['createindex', 'modifyindex'] },
);
const AUTOPILOTS = new DocumentKind<typeof AUTOPILOT>(
  'autopilot',
  (json) => json as typeof AUTOPILOT,
);
/** There is one. */
const AUTOPILOT_ID = 'configuration';
const BODY_BYTES_MAX = 64 * 1024;

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

  /** It is never taken out: the registry would be gone with it. */
  const removePeer: Handler = (_path, query, { rights }) => {
    const options = context.optionsOf(query);
    if ('status' in options) return options;
    const wanted = (['id', 'address'] as const).filter((name) => parameter(query, name) !== '');
    const [kind] = wanted;
    if (kind === undefined) {
      return textAnswer(
        400,
        "Bad request: Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
      );
    }
    if (wanted.length > 1)
      return textAnswer(400, 'Bad request: Must specify only one of ?id or ?address');
    if (!rights.allows('operator', 'write', '')) return permissionDenied();
    const peer = parameter(query, kind);
    return peer === id || peer === address
      ? textAnswer(
          501,
          `${kind} ${JSON.stringify(peer)}: this registry is its only server; it stays`,
        )
      : textAnswer(500, `${kind} ${JSON.stringify(peer)} was not found in the Raft configuration`);
  };

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

  const kept = (table = context.store.table) => AUTOPILOTS.find(table, AUTOPILOT_ID);
  const autopilot = forOperators(() => {
    const { value = AUTOPILOT, createIndex = 1, modifyIndex = 1 } = kept() ?? {};
    return { ...value, CreateIndex: createIndex, ModifyIndex: modifyIndex };
  });

  const setAutopilot: Handler = async (_path, query, caller) => {
    const options = context.optionsOf(query);
    if ('status' in options) return options;
    if (!caller.rights.allows('operator', 'write', '')) return permissionDenied();
    const body = await caller.readBody(BODY_BYTES_MAX);
    if (body === undefined) return textAnswer(413, `Request body over ${BODY_BYTES_MAX} bytes`);
    const decoded = decodeBody(body, AUTOPILOT_BODY);
    const refused = 'refused' in decoded ? decoded.refused : durationProblem(decoded.value);
    if (refused !== '' || !('value' in decoded)) {
      return textAnswer(400, `Bad request: Error parsing autopilot config: ${refused}`);
    }
    const cas = query.has('cas') ? parseUint64(parameter(query, 'cas')) : undefined;
    if (cas !== undefined && 'error' in cas) {
      return textAnswer(400, `Bad request: Error parsing cas value: ${cas.error}`);
    }
    const { value } = decoded;
    const wasSet = await context.store.transact((writes) => {
      const now = kept(writes.table)?.modifyIndex ?? 1;
      if (cas !== undefined && cas.value !== String(now)) return false;
      AUTOPILOTS.put(writes, AUTOPILOT_ID, {
        ...value,
        LastContactThreshold: value.LastContactThreshold || '0s',
        ServerStabilizationTime: value.ServerStabilizationTime || '0s',
      });
      return true;
    });
    return answered(wasSet, query);
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
      '/v1/operator/raft/peer': { DELETE: removePeer },
      '/v1/operator/autopilot/configuration': { GET: autopilot, PUT: setAutopilot },
      '/v1/operator/autopilot/health': { GET: health },
      '/v1/coordinate/datacenters': { GET: datacenters },
      '/v1/coordinate/nodes': { GET: nodes },
      '/v1/coordinate/node/': { GET: oneNode },
    },
  };
}

/** Why one of its durations cannot be read; '' when both can. */
function durationProblem(value: {
  readonly LastContactThreshold: string;
  readonly ServerStabilizationTime: string;
}): string {
  const wrong = [value.LastContactThreshold, value.ServerStabilizationTime].find(
    (duration) => duration !== '' && parseGoDuration(duration) === undefined,
  );
  return wrong === undefined ? '' : `time: invalid duration ${JSON.stringify(wrong)}`;
}
