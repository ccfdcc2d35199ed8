// The kinds of registry, one line each; what must be known of a kind is in sources/source-kind.ts.

import { type ConsulSettings, consul } from './sources/consul.ts';
import { type EmbeddedSettings, embedded } from './sources/embedded.ts';
import { type FileSettings, file } from './sources/file.ts';
import { type NoSettings, none } from './sources/none.ts';
import type { SourceKind } from './sources/source-kind.ts';

export type { OpenedSource } from './sources/source-kind.ts';

type SettingsByKind = {
  readonly embedded: EmbeddedSettings;
  readonly consul: ConsulSettings;
  readonly file: FileSettings;
  readonly none: NoSettings;
};

const KINDS: { readonly [Kind in RegistryKind]: SourceKind<SettingsByKind[Kind]> } = {
  embedded,
  consul,
  file,
  none,
};

export type RegistryKind = keyof SettingsByKind;
/** What a kind needs to be opened; `kind` says which. */
export type RegistrySettings<Kind extends RegistryKind = RegistryKind> = SettingsByKind[Kind];

/** What is known of these settings' kind: `kindOf(settings).describe(settings)`. */
export function kindOf({ kind }: RegistrySettings): SourceKind<RegistrySettings> {
  return KINDS[kind];
}
