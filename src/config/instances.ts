// The instances of a service: of each of its hosts on each of its ports, or as they are listed.
// A listed one may name its host, or say the host's address.

import { formatAddress } from '../base/units.ts';
import type { ServiceFile } from './sections/service.ts';
import type { ServiceInstance } from './types.ts';

type Places = Pick<ServiceFile, 'hosts' | 'ports' | 'instances'>;
type KnownHosts = ReadonlyMap<string, { readonly address: string }>;

/** Names that are not known are left out. */
export function instancesOf(service: Places, hosts: KnownHosts): ServiceInstance[] {
  const { hosts: names = [], ports = [], instances = [] } = service;
  const places = names.flatMap((name) => ports.map((port) => ({ name, port })));
  return [
    ...places.flatMap(({ name, port }) => {
      const host = hosts.get(name);
      return host === undefined ? [] : [instanceAt(host.address, port, name)];
    }),
    ...instances.map(({ host, port }) => {
      const [name = ''] = hostsMeant(host, hosts);
      return instanceAt(hosts.get(name)?.address ?? host, port, name);
    }),
  ];
}

/** The names of the hosts that an entry of `instances` may mean. */
export function hostsMeant(host: string, hosts: KnownHosts): readonly string[] {
  // Host names are written in small letters by now.
  const named = [...hosts.keys()].filter((name) => name.toLowerCase() === host);
  if (named.length > 0) return named;
  return [...hosts]
    .filter(([, { address }]) => address.toLowerCase() === host)
    .map(([name]) => name);
}

function instanceAt(host: string, port: number, hostName: string): ServiceInstance {
  const address = { host: host.toLowerCase(), port };
  return { id: formatAddress(address), address, hostName };
}
