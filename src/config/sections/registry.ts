// The section `registry`: the keys of each kind and what they mean. A new kind has a line in KEYS, an
// entry in MEANINGS and its file in registry/sources; whatever is forgotten of that does not compile.

import { resolve } from 'node:path';
import type { z } from 'zod';
import type { Address } from '../../base/units.ts';
import type { RegistryKind, RegistrySettings } from '../../registry.ts';
import { folder, list, pathProblem, secret, section } from './shapes.ts';
import { address, listenAddress, onOff, show, text } from './values.ts';

const KEYS = {
  embedded: section("Our own store, with Consul's KV API.", {
    listen: listenAddress(
      'Where the Consul-compatible API listens. It has no access control: keep it on loopback.',
    ).prefault('127.0.0.1:8500'),
    data_dir: folder("The store's folder, relative to `state_dir`.", 'registry'),
  }).optional(),
  consul: section('A Consul cluster.', {
    addresses: list('Agents; any of them may be asked.', address('An agent.'), 1),
    token: secret('ACL token.').optional(),
  }).optional(),
  file: section('A file of servers, read again when it changes.', {
    path: text({
      about: 'YAML or JSON, relative to this file; see docs/registry.md.',
      kind: 'path',
      problemOf: (value) => pathProblem(value, 'a path'),
    }),
  }).optional(),
  none: onOff({ about: 'No registry: the servers of this file alone.', initial: 'off' }),
} satisfies Readonly<Record<RegistryKind, z.ZodType>>;

export const registry = section(
  `Where the records of servers live. One of ${Object.keys(KEYS)
    .map((kind) => (kind === 'embedded' ? '`embedded` (the default)' : `\`${kind}\``))
    .join(', ')}.`,
  {
    ...KEYS,
    prefix: text({
      about: 'Prefix of the records; ends with a slash.',
      kind: 'key prefix',
      problemOf: (value) => {
        if (value.startsWith('/'))
          return `${show(value)} begins with a slash, but keys do not; write upstreams/`;
        if (!value.endsWith('/'))
          return `${show(value)} also covers other names that begin like it; write ${value.length > 60 ? 'a slash at its end' : `"${value}/"`}`;
        return /^[\x21-\x7e]+$/.test(value)
          ? ''
          : 'holds blanks or non-ASCII characters; remove them';
      },
    }).prefault('upstreams/'),
    strong_dependency: onOff({
      about: "Do not start before the registry's first answer.",
      initial: 'off',
    }),
  },
);

export type RegistryFile = z.output<typeof registry>;
export type RegistryKinds = Pick<RegistryFile, RegistryKind>;

/** Where the file's paths start, and its secrets read. */
type Origin = {
  readonly folder: string;
  readonly stateDir: string;
  readonly secret: (text: string | undefined) => string;
};

type Meaning<Kind extends RegistryKind> = {
  readonly kind: Kind;
  /** The file chooses this kind. */
  isChosen(file: RegistryKinds): boolean;
  settings(file: RegistryKinds, origin: Origin): RegistrySettings<Kind>;
  /** Under the key `listen`. */
  listen(file: RegistryKinds): Address | undefined;
  /** Under the key `token`. */
  token(file: RegistryKinds): string | undefined;
  /** Where people write the servers, if not as records under the prefix. */
  serversIn(file: RegistryKinds, origin: Pick<Origin, 'folder'>): string | undefined;
};

const DEFAULT_LISTEN: Address = { host: '127.0.0.1', port: 8500 };

const MEANINGS: { readonly [Kind in RegistryKind]: Meaning<Kind> } = {
  embedded: {
    kind: 'embedded',
    isChosen: ({ embedded }) => embedded !== undefined,
    settings: ({ embedded }, { stateDir }) => ({
      kind: 'embedded',
      listen: embedded?.listen ?? DEFAULT_LISTEN,
      dataDir: resolve(stateDir, embedded?.data_dir ?? 'registry'),
    }),
    listen: ({ embedded }) => embedded?.listen ?? DEFAULT_LISTEN,
    token: () => undefined,
    serversIn: () => undefined,
  },
  consul: {
    kind: 'consul',
    isChosen: ({ consul }) => consul !== undefined,
    settings: ({ consul }, { secret: read }) => ({
      kind: 'consul',
      addresses: consul?.addresses ?? [],
      token: read(consul?.token),
    }),
    listen: () => undefined,
    token: ({ consul }) => consul?.token,
    serversIn: () => undefined,
  },
  file: {
    kind: 'file',
    isChosen: ({ file }) => file !== undefined,
    settings: ({ file }, { folder: from }) => ({
      kind: 'file',
      path: resolve(from, file?.path ?? ''),
    }),
    listen: () => undefined,
    token: () => undefined,
    serversIn: ({ file }, { folder: from }) => `the file ${resolve(from, file?.path ?? '')}`,
  },
  none: {
    kind: 'none',
    isChosen: ({ none }) => none,
    settings: () => ({ kind: 'none' }),
    listen: () => undefined,
    token: () => undefined,
    serversIn: () => 'the config file',
  },
};

/** Those that the file asks for: more than one is a mistake, none means the embedded one. */
export function chosenKinds(file: RegistryKinds): readonly Meaning<RegistryKind>[] {
  return Object.values<Meaning<RegistryKind>>(MEANINGS).filter((one) => one.isChosen(file));
}

export function chosenKind(file: RegistryKinds): Meaning<RegistryKind> {
  return chosenKinds(file)[0] ?? MEANINGS.embedded;
}

/** What `sluice registry` runs where the file has no embedded registry. */
export function embeddedSettings(stateDir: string): RegistrySettings<'embedded'> {
  const origin = { folder: stateDir, stateDir, secret: () => '' };
  return MEANINGS.embedded.settings({ none: false }, origin);
}
