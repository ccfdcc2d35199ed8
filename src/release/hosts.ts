// Hosts: the machines on which instances run. Adding one: a file with a `Host`, a line in the table,
// what the section `hosts` says of it; test/support/release/host-contract.ts says what it has to do.

import { SluiceError } from '../base/errors.ts';
import type { ServiceConfig, ServiceInstance } from '../config.ts';
import type { Host } from './hosts/host.ts';
import { localHost } from './hosts/local.ts';

export type {
  Command,
  CommandEnd,
  FileFacts,
  FolderEntry,
  Host,
  HostProcess,
  ListeningSockets,
  ProcessName,
  Spawned,
} from './hosts/host.ts';
export { localHost } from './hosts/local.ts';
// The lock of a release names its runner, which is always a process of this machine.
export { identityAtStart, isAlive } from './hosts/process-table.ts';

/** Where an instance runs: one per name of a host. */
export function hostOf(
  { hosts }: Pick<ServiceConfig, 'hosts'>,
  { hostName }: Pick<ServiceInstance, 'hostName'>,
): Host {
  const host = hosts.get(hostName);
  if (host === undefined || host.ssh === null) return localHost;
  throw new SluiceError('preflight_failed', `host "${host.name}": ssh is not offered yet`);
}
