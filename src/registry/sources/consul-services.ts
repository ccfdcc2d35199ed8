// Services that are registered with a Consul, by its catalog or by its health with the checks. They are
// only read here: whoever runs a service registers it.

import { checkCredentials, openConsul } from '../consul.ts';
import { type ServicesOptions, servicesSource } from '../lists.ts';
import { type ConsulReach, placeOf } from './consul.ts';
import type { OpenContext, OpenedSource, SourceKind } from './source-kind.ts';

export type CatalogSettings = ConsulReach & { readonly kind: 'consul_services' };

export type HealthSettings = ConsulReach & {
  readonly kind: 'consul_health';
  /** Those alone whose checks all pass; false: all, and those that are not well are down. */
  readonly passing: boolean;
  /** One with a warning takes requests; false: it is down. */
  readonly warnings: boolean;
};

export const consulServices: SourceKind<CatalogSettings> = {
  ...shown<CatalogSettings>(),
  open: (settings, context) => openServices(settings, context, undefined),
};

export const consulHealth: SourceKind<HealthSettings> = {
  ...shown<HealthSettings>(),
  open: (settings, context) => openServices(settings, context, settings),
};

function shown<Settings extends ConsulReach>(): Omit<SourceKind<Settings>, 'open'> {
  const describe = (settings: Settings): string => `services of the Consul at ${placeOf(settings)}`;
  return {
    describe,
    shared: (settings) => `the ${describe(settings)}`,
    withoutSecrets: (settings) => ({ ...settings, token: settings.token === '' ? '' : '(set)' }),
    checkFiles: checkCredentials,
    openStore: () => undefined,
  };
}

async function openServices(
  reach: ConsulReach,
  { log }: OpenContext,
  health: ServicesOptions['health'],
): Promise<OpenedSource> {
  // The KV of the same Consul: servers are not in it, but gateways can meet there.
  const meeting = openConsul({ ...reach, log });
  return {
    source: servicesSource({ reach, health, log }),
    store: undefined,
    meeting,
    address: undefined,
    close: async () => meeting.close(),
  };
}
