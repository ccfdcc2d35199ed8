// Hosts: the machines on which instances run. Adding one: a file with a `Host`, a line in the table,
// what the section `hosts` says of it; test/support/release/host-contract.ts says what it has to do.

import type { HostConfig, ServiceConfig, ServiceInstance } from '../config.ts';
import { startProbe } from '../health.ts';
import type { Host } from './hosts/host.ts';
import { localHost } from './hosts/local.ts';
import { ShellHost } from './hosts/shell-host.ts';
import { SshConnection } from './hosts/ssh/connection.ts';

export type { HostClaim } from './hosts/claim.ts';
export type {
  Command,
  CommandEnd,
  FileFacts,
  FolderEntry,
  Host,
  HostProcess,
  Keep,
  Keepers,
  ListeningSockets,
  ProcessName,
  SignalName,
  Spawned,
} from './hosts/host.ts';
export { localHost } from './hosts/local.ts';
// The lock of a release names its runner, which is always a process of this machine.
export { identityAtStart, isAlive } from './hosts/process-table.ts';
export type { Keeper, KeeperOrder } from './hosts/shell/keeper.ts';
// What a host behind a shell is made of: tests make theirs of it.
export { type ShellEnd, ShellSession } from './hosts/shell/session.ts';
export { type Shell, ShellHost } from './hosts/shell-host.ts';
export { SshConnection } from './hosts/ssh/connection.ts';

/** Where an instance runs: one per name of a host. */
export function hostOf(
  { hosts }: Pick<ServiceConfig, 'hosts'>,
  { hostName }: Pick<ServiceInstance, 'hostName'>,
): Host {
  const host = hosts.get(hostName);
  if (host === undefined || host.ssh === null) return localHost;
  const known = open.get(host);
  if (known !== undefined) return known;
  const made = new ShellHost(new SshConnection(host.name, host.ssh));
  open.set(host, made);
  return made;
}

/** Those behind ssh, by their part of the configuration. */
const open = new Map<HostConfig, Host>();

/** How an instance is asked, past the gateway: a test that simulates its host answers in its place. */
export const asking: { start: typeof startProbe } = { start: startProbe };

/** For a test that simulates the host: until its connection is ended. */
export function joinHost(config: HostConfig, host: Host): void {
  open.set(config, host);
}

/** Ends the connections to the hosts of a service. One that is asked again is connected anew. */
export async function closeHosts({ hosts }: Pick<ServiceConfig, 'hosts'>): Promise<void> {
  const ended = [...hosts.values()].map(async (host) => {
    const known = open.get(host);
    open.delete(host);
    await known?.close();
  });
  await Promise.all(ended);
}
