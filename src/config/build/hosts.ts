// The section `hosts` as the program uses it.

import { resolve } from 'node:path';
import type { ConfigFile } from '../schema.ts';
import { readTarget } from '../sections/hosts.ts';
import type { HostConfig } from '../types.ts';

export function hostsOf(
  read: ConfigFile['hosts'],
  folder: string,
): ReadonlyMap<string, HostConfig> {
  const path = (file: string | undefined): string =>
    file === undefined ? '' : resolve(folder, file);
  const hosts = Object.entries(read).map(([name, { address, ssh }]): [string, HostConfig] => {
    const host = { name, address: address.toLowerCase() };
    if (ssh === undefined) return [name, { ...host, ssh: null }];
    const { destination = '', port = 0 } = readTarget(ssh.target) ?? {};
    const { strict = '' } = ssh;
    const files = { identity: path(ssh.identity), config: path(ssh.config) };
    return [name, { ...host, ssh: { destination, port: ssh.port ?? port, ...files, strict } }];
  });
  return new Map(hosts);
}
