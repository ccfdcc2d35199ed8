// The kinds of registry, one line each; what must be known of a kind is in sources/source-kind.ts.

import { consul } from './sources/consul.ts';
import { consulHealth, consulServices } from './sources/consul-services.ts';
import { dns } from './sources/dns.ts';
import { embedded } from './sources/embedded.ts';
import { etcd } from './sources/etcd.ts';
import { file } from './sources/file.ts';
import { none } from './sources/none.ts';
import type { SourceKind } from './sources/source-kind.ts';

export type { OpenContext, OpenedSource } from './sources/source-kind.ts';

const KINDS = {
  embedded,
  consul,
  consul_services: consulServices,
  consul_health: consulHealth,
  etcd,
  dns,
  file,
  none,
};

export type RegistryKind = keyof typeof KINDS;
type SettingsByKind = {
  readonly [Kind in RegistryKind]: (typeof KINDS)[Kind] extends SourceKind<infer Settings>
    ? Settings
    : never;
};
/** What a kind needs to be opened; `kind` says which. */
export type RegistrySettings<Kind extends RegistryKind = RegistryKind> = SettingsByKind[Kind];

/** What is known of these settings' kind: `kindOf(settings).describe(settings)`. */
export function kindOf({ kind }: RegistrySettings): SourceKind<RegistrySettings> {
  return KINDS[kind];
}
