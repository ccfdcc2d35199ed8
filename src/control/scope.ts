// For which gateway this program speaks, and whether others may follow the same registry: a real
// Consul, or an embedded registry that listens beyond loopback. Another gateway may
// have the same servers in its own file, and nobody can know: every statement is about this gateway alone.

import { hostname } from 'node:os';
import type { Scope } from '../base/scope.ts';
import { kindOf, type RegistrySettings } from '../registry.ts';

export function scopeOf(registries: readonly RegistrySettings[]): Scope {
  return {
    gateway: `pid ${process.pid} on ${hostname()}`,
    sharedRegistry: registries
      .map((registry) => kindOf(registry).shared(registry))
      .filter((shared) => shared !== '')
      .join(' and '),
  };
}
