// /v1/agent/self: what Consul clients read at their start. The version tells them which of Consul's
// APIs to expect.

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { type Address, formatAddress } from '../../base/units.ts';
import { DATACENTER } from './query-options.ts';

const COMPATIBLE_VERSION = '1.8.7';

export function agentSelf(address: Address): string {
  const name = hostname();
  const hex = createHash('sha256')
    .update(`${name} ${formatAddress(address)}`)
    .digest('hex');
  const id = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
  return JSON.stringify({
    Config: {
      Datacenter: DATACENTER,
      NodeName: name,
      NodeID: id,
      Server: true,
      Revision: '',
      Version: COMPATIBLE_VERSION,
    },
    DebugConfig: {},
    Coord: null,
    Member: {
      Name: name,
      Addr: address.host,
      Port: address.port,
      Tags: { dc: DATACENTER, id, role: 'consul', build: `${COMPATIBLE_VERSION}:sluice` },
      Status: 1,
    },
    Stats: {},
    Meta: {},
  });
}
