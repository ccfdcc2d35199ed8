// The kinds of registry that are a Consul: its KV, its catalog, its health.

import { type Address, formatAddress } from '../../../base/units.ts';
import { section } from '../shapes.ts';
import { onOff } from '../values.ts';
import { consulAccessOf, consulKeys, consulProblems } from './consul-access.ts';
import { kindOf } from './kind.ts';
import { ownName, serviceName } from './names.ts';

export const consul = kindOf({
  kind: 'consul',
  keys: section('A Consul cluster, and in its KV the records of servers.', consulKeys),
  called: /consul/i,
  example: (_, agent) => `{ addresses: ${agent || '127.0.0.1:8500'} }`,
  settings: (read, origin) => ({ kind: 'consul' as const, ...consulAccessOf(read, origin) }),
  listen: () => undefined,
  secrets: ({ token }) => ({ token }),
  problems: consulProblems,
  serversIn: () => undefined,
  serviceProblem: ownName,
});

export const consulServices = kindOf({
  kind: 'consul_services',
  keys: section('Services in the catalog of a Consul, whatever their checks say.', consulKeys),
  called: /^(consul[_-]?)?(services?|catalog)$/i,
  example: (_, agent) => `{ addresses: ${agent || '127.0.0.1:8500'} }`,
  settings: (read, origin) => ({
    kind: 'consul_services' as const,
    ...consulAccessOf(read, origin),
  }),
  listen: () => undefined,
  secrets: ({ token }) => ({ token }),
  problems: consulProblems,
  serversIn: servicesOf,
  serviceProblem: serviceName,
});

export const consulHealth = kindOf({
  kind: 'consul_health',
  keys: section('Services of a Consul with their checks.', {
    ...consulKeys,
    passing: onOff({
      about:
        'Only those whose checks all pass are servers; off: all are, and those that do not pass are down.',
      initial: 'off',
    }),
    warnings: onOff({
      about:
        "One whose worst check is a warning takes requests, with Consul's `Weights.Warning`; off: it is down, as for upsync. Has no meaning with `passing`.",
      initial: 'off',
    }),
  }),
  called: /^(consul[_-]?)?health$/i,
  example: (_, agent) => `{ addresses: ${agent || '127.0.0.1:8500'} }`,
  settings: (read, origin) => ({
    kind: 'consul_health' as const,
    ...consulAccessOf(read, origin),
    passing: read.passing,
    warnings: read.warnings,
  }),
  listen: () => undefined,
  secrets: ({ token }) => ({ token }),
  problems: consulProblems,
  serversIn: servicesOf,
  serviceProblem: serviceName,
});

function servicesOf({ addresses }: { readonly addresses: readonly Address[] }): string {
  return `the services of the Consul at ${addresses.map(formatAddress).join(', ')}`;
}
