// For which gateway this program speaks, and whether others may follow the same registry: a real
// Consul, or an embedded registry that listens beyond loopback. Those with servers of their own in
// their files are nobody's knowledge, so even alone a word is one about this gateway.

import { hostname } from 'node:os';
import type { Scope } from '../base/scope.ts';
import { formatAddress, isLoopback } from '../base/units.ts';
import type { RegistryConfig } from '../config.ts';

export function scopeOf(registry: RegistryConfig): Scope {
  return {
    gateway: `pid ${process.pid} on ${hostname()}`,
    sharedRegistry: sharedRegistry(registry),
  };
}

function sharedRegistry({ kind, addresses, listen }: RegistryConfig): string {
  switch (kind) {
    case 'none':
      return '';
    case 'consul':
      return `the Consul at ${addresses.map(formatAddress).join(', ')}`;
    case 'embedded':
      return isLoopback(listen.host) ? '' : `the registry on ${formatAddress(listen)}`;
  }
}
