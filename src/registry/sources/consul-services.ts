// Services that are registered with a Consul, by its catalog or by its health with the checks. They are
// only read here: whoever runs a service registers it.

import { type Address, formatAddress } from '../../base/units.ts';
import { type ServicesOptions, servicesSource } from '../lists.ts';
import type { OpenContext, OpenedSource, SourceKind } from './source-kind.ts';

type Registered = {
  /** Any of these may be asked. */
  readonly addresses: readonly Address[];
  readonly token: string;
};

export type CatalogSettings = Registered & { readonly kind: 'consul_services' };

export type HealthSettings = Registered & {
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

function shown<Settings extends Registered>(): Omit<SourceKind<Settings>, 'open'> {
  const describe = ({ addresses }: Settings): string =>
    `services of the Consul at ${addresses.map(formatAddress).join(', ')}`;
  return {
    describe,
    shared: (settings) => `the ${describe(settings)}`,
    withoutSecrets: (settings) => ({ ...settings, token: settings.token === '' ? '' : '(set)' }),
    openStore: () => undefined,
  };
}

async function openServices(
  { addresses, token }: Registered,
  { log }: OpenContext,
  health: ServicesOptions['health'],
): Promise<OpenedSource> {
  return {
    source: servicesSource({ addresses, token, health, log }),
    store: undefined,
    address: undefined,
    close: async () => {},
  };
}
