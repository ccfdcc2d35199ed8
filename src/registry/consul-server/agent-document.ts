// /v1/agent/self: what Consul clients read at their start. The version tells them which of Consul's
// APIs to expect.

import { createHash } from 'node:crypto';
import { type Address, formatAddress } from '../../base/units.ts';
import type { ApiContext } from './routes.ts';

export const COMPATIBLE_VERSION = '1.8.7';

type Agent = Pick<ApiContext, 'datacenter' | 'nodeId' | 'nodeMeta' | 'nodeName' | 'serverAddress'>;

/** An id of the node, the same in every start with these. */
export function madeNodeId(nodeName: string, address: Address): string {
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
  const { datacenter, nodeName, nodeId } = agent;
  const own = formatAddress(agent.serverAddress);
  return JSON.stringify({
    Config: {
      Datacenter: datacenter,
      NodeName: nodeName,
      NodeID: nodeId,
      Server: true,
      Revision: '',
      Version: COMPATIBLE_VERSION,
    },
    DebugConfig: {
      ...{ Datacenter: datacenter, NodeName: nodeName, NodeID: nodeId },
      ...{ SerfAdvertiseAddrLAN: `tcp://${own}`, Version: COMPATIBLE_VERSION },
    },
    Coord: { Vec: [0, 0, 0, 0, 0, 0, 0, 0], Error: 1.5, Adjustment: 0, Height: 0.00001 },
    Member: member(agent),
    Stats: {
      build: { prerelease: '', revision: '', version: COMPATIBLE_VERSION },
      consul: { leader: 'true', leader_addr: own, server: 'true' },
    },
    Meta: { ...agent.nodeMeta, 'consul-network-segment': '' },
  });
}

/** The agent as a member of its cluster of one. */
export function member(agent: Agent, isWan = false): object {
  const { serverAddress, datacenter, nodeName } = agent;
  return {
    Name: isWan ? `${nodeName}.${datacenter}` : nodeName,
    Addr: serverAddress.host,
    Port: serverAddress.port,
    Tags: {
      acls: '0',
      bootstrap: '1',
      build: `${COMPATIBLE_VERSION}:`,
      dc: datacenter,
      ft_fs: '1',
      id: agent.nodeId,
      port: String(serverAddress.port),
      raft_vsn: '3',
      role: 'consul',
      segment: '',
      vsn: '2',
      vsn_max: '3',
      vsn_min: '2',
    },
    Status: 1,
    ...{ ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2 },
    ...{ DelegateMin: 2, DelegateMax: 5, DelegateCur: 4 },
  };
}
