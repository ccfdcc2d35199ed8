// Hosts: the machines on which instances run. Adding one: a file with a `Host`, a line in the table,
// a word in the schema; test/support/release/host-contract.ts says what it has to do.

import type { ServiceConfig } from '../config.ts';
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
// The lock of a release names its runner, which is always a process of this machine.
export { identityAtStart, isAlive } from './hosts/process-table.ts';

type HostKind = ServiceConfig['host'];

const HOSTS: { readonly [Kind in HostKind]: (service: Pick<ServiceConfig, 'host'>) => Host } = {
  local: () => localHost,
};

export function hostOf(service: Pick<ServiceConfig, 'host'>): Host {
  return HOSTS[service.host](service);
}
