// /v1/agent/self: what Consul clients read at their start. The version tells them which of Consul's
// APIs to expect.

import { createHash } from 'node:crypto';
import { formatAddress } from '../../base/units.ts';
import type { ApiContext } from './routes.ts';

const COMPATIBLE_VERSION = '1.8.7';

type Agent = Pick<ApiContext, 'address' | 'datacenter' | 'nodeName'>;

/** The id of the node, the same in every start. */
export function nodeId({ address, nodeName }: Agent): string {
  const hex = createHash('sha256')
    .update(`${nodeName} ${formatAddress(address)}`)
    .digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

export function agentSelf(agent: Agent): string {
  const { address, datacenter, nodeName } = agent;
  const id = nodeId(agent);
  return JSON.stringify({
    Config: {
      Datacenter: datacenter,
      NodeName: nodeName,
      NodeID: id,
      Server: true,
      Revision: '',
      Version: COMPATIBLE_VERSION,
    },
    DebugConfig: {},
    Coord: null,
    Member: {
      Name: nodeName,
      Addr: address.host,
      Port: address.port,
      Tags: { dc: datacenter, id, role: 'consul', build: `${COMPATIBLE_VERSION}:sluice` },
      Status: 1,
    },
    Stats: {},
    Meta: {},
  });
}
