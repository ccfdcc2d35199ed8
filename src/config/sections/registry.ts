// The section `registry`: one entry of KINDS for each kind of registry, with its keys and what they mean.
// A new kind is an entry here, its file in registry/sources and its line in registry/sources.ts. Whatever
// is forgotten of that does not compile.

import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Address } from '../../base/units.ts';
import type { RegistryKind, RegistrySettings } from '../../registry.ts';
import { consul, consulHealth, consulServices } from './registry/consul.ts';
import { dns } from './registry/dns.ts';
import { etcd } from './registry/etcd.ts';
import { type Kind, kindOf, type Origin } from './registry/kind.ts';
import { ownName } from './registry/names.ts';
import { folder, pathProblem, secret, section } from './shapes.ts';
import { duration, listenAddress, onOff, show, text } from './values.ts';

/** Any of them: what was read is only handed on to its own kind. */
type AnyKind = Kind<RegistryKind, z.ZodType>;

const KINDS = {
  embedded: kindOf({
    kind: 'embedded',
    keys: section("Our own store, with Consul's KV API.", {
      listen: listenAddress(
        'Where the Consul-compatible API listens. Without `token` keep it on loopback.',
      ).prefault('127.0.0.1:8500'),
      data_dir: folder("The store's folder, relative to `state_dir`.", 'registry'),
      token: secret(
        'Management token. With it access control is on: who asks without a token may do nothing; see docs/consul-compatibility.md.',
      ).optional(),
      datacenter: text({
        about: 'Name of the data centre, as clients of the API see it.',
        kind: 'name',
        problemOf: labelProblem,
      }).prefault('dc1'),
      node_name: text({
        about: "Name of its one node, as clients of the API see it; left out, the machine's.",
        kind: 'name',
        problemOf: labelProblem,
      }).optional(),
    }),
    called: /^(on|yes|true|embedded|sqlite|local)$/i,
    example: (_, listen) => (listen === '' ? '{}' : `{ listen: ${listen} }`),
    settings: ({ listen, data_dir: folder, token, datacenter, node_name: name }, origin) => ({
      kind: 'embedded',
      listen,
      dataDir: resolve(origin.stateDir, folder),
      token: origin.secret(token),
      datacenter,
      nodeName: name ?? hostname(),
    }),
    listen: ({ listen }) => listen,
    secrets: ({ token }) => ({ token }),
    serversIn: () => undefined,
    serviceProblem: ownName,
  }),
  consul,
  etcd,
  consul_services: consulServices,
  consul_health: consulHealth,
  dns,
  file: kindOf({
    kind: 'file',
    keys: section('A file of servers, read again when it changes.', {
      path: text({
        about: 'YAML or JSON, relative to this file; see docs/registry.md.',
        kind: 'path',
        problemOf: (value) => pathProblem(value, 'a path'),
      }),
    }),
    called: /^file$|\.(ya?ml|json)$/i,
    example: (word) => `{ path: ${/[./]/.test(word) ? word : 'servers.yaml'} }`,
    settings: ({ path }, { folder: from }) => ({ kind: 'file', path: resolve(from, path) }),
    listen: () => undefined,
    serversIn: ({ path }, { folder: from }) => `the file ${resolve(from, path)}`,
    serviceProblem: ownName,
  }),
  none: kindOf({
    kind: 'none',
    keys: onOff({ about: 'No registry: the servers of this file alone.', initial: 'off' }),
    called: /^(off|no|none|false|disabled?)$/i,
    example: () => 'on',
    settings: () => ({ kind: 'none' }),
    listen: () => undefined,
    serversIn: () => 'the config file',
    serviceProblem: ownName,
  }),
} satisfies { readonly [Name in RegistryKind]: Kind<Name, z.ZodType> };

const DEFAULT_KIND = KINDS.embedded;
const ALL: readonly AnyKind[] = Object.values(KINDS);

type OptionalKeys = {
  [Name in RegistryKind]: z.ZodOptional<(typeof KINDS)[Name]['keys']>;
};

// Object.fromEntries forgets which keys belong to which name.
const KEYS = Object.fromEntries(
  ALL.map(({ kind, keys }) => [kind, keys.optional()]),
) as unknown as OptionalKeys;

export const registry = section(
  `Where the servers are written down. One of ${ALL.map(
    (one) => `\`${one.kind}\`${one === DEFAULT_KIND ? ' (the default)' : ''}`,
  ).join(', ')}.`,
  {
    ...KEYS,
    prefix: text({
      about: 'Prefix of the records; ends with a slash.',
      kind: 'key prefix',
      problemOf: prefixProblem,
    }).prefault('upstreams/'),
    strong_dependency: onOff({
      about: "Do not start before the registry's first answer.",
      initial: 'off',
    }),
    gateways: section(
      'What the gateways that share the registry tell each other through it: docs/gateways.md.',
      {
        prefix: text({
          about: 'Prefix of their records; ends with a slash. The same for all gateways.',
          kind: 'key prefix',
          problemOf: prefixProblem,
        }).prefault('sluice/'),
        lease: duration({
          about:
            'A gateway that has not renewed its lease for this long is silent: it is named, and drains no longer wait for it. Consul takes up to twice this time.',
          initial: '10s',
          least: '10s',
        }),
        forget: duration({
          about: 'A silent gateway is named for this long.',
          initial: '1h',
        }),
      },
    ).prefault({}),
  },
);

/** Kinds that the section `registry` alone may be. */
export const DEFAULT_ONLY: ReadonlySet<RegistryKind> = new Set(['embedded', 'none']);
/** A name that stands in addresses of services. */
function labelProblem(value: string): string {
  return /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/.test(value)
    ? ''
    : `${show(value)} is no name of a node or a data centre; write letters, digits, -, _ and .`;
}

function prefixProblem(value: string): string {
  if (value.startsWith('/'))
    return `${show(value)} begins with a slash, but keys do not; write upstreams/`;
  if (!value.endsWith('/'))
    return `${show(value)} also covers other names that begin like it; write ${value.length > 60 ? 'a slash at its end' : `"${value}/"`}`;
  return /^[\x21-\x7e]+$/.test(value) ? '' : 'holds blanks or non-ASCII characters; remove them';
}

export type RegistryFile = z.output<typeof registry>;
export type RegistryKinds = Pick<RegistryFile, RegistryKind>;

/** One kind with what the file says of it. */
type ChosenKind = {
  readonly kind: RegistryKind;
  readonly listen: Address | undefined;
  readonly secrets: Readonly<Record<string, string | undefined>>;
  /** By key, what is wrong; '' = nothing. */
  readonly problems: Readonly<Record<string, string>>;
  settings(origin: Origin): RegistrySettings;
  serversIn(origin: Pick<Origin, 'folder'>): string | undefined;
  serviceProblem(service: string | undefined): string;
};

/** Those that the file asks for: more than one is a mistake, none means the embedded one. */
export function chosenKinds(file: RegistryKinds): readonly ChosenKind[] {
  return ALL.filter(({ kind }) => file[kind] !== undefined && file[kind] !== false).map((one) =>
    chosen(one, file[one.kind]),
  );
}

export function chosenKind(file: RegistryKinds): ChosenKind {
  return chosenKinds(file)[0] ?? chosen(DEFAULT_KIND, DEFAULT_KIND.keys.parse({}));
}

function chosen(one: AnyKind, read: unknown): ChosenKind {
  return {
    kind: one.kind,
    listen: one.listen(read),
    secrets: one.secrets?.(read) ?? {},
    problems: one.problems?.(read) ?? {},
    settings: (origin) => one.settings(read, origin),
    serversIn: (origin) => one.serversIn(read, origin),
    serviceProblem: (service) => one.serviceProblem(service),
  };
}

/** What `sluice registry` runs where the file has no embedded registry. */
export function embeddedSettings(stateDir: string): RegistrySettings<'embedded'> {
  const { embedded } = KINDS;
  const origin = { folder: stateDir, stateDir, secret: () => '' };
  return embedded.settings(embedded.keys.parse({}), origin);
}

/** The words of all kinds, and what one looks like under `registry`. */
export const KINDS_ADVICE = `one of ${ALL.map(({ kind }) => kind).join(', ')}, like consul: ${KINDS.consul.example('', '')}`;

/** What to write for a word or an address where the keys of a registry belong, under this key. */
export function registryAdvice(key: string, word: string, address: string): string {
  const meant = address === '' ? ALL.find(({ called }) => called.test(word)) : KINDS.consul;
  if (meant === undefined) return `write ${key}: with ${KINDS_ADVICE}`;
  const remedy = `write ${key}: { ${meant.kind}: ${meant.example(word, address)} }`;
  return meant === DEFAULT_KIND ? `leave it out, or ${remedy}` : remedy;
}

/** The same for what stands where the keys of one kind belong. */
export function kindAdvice(kind: string, word: string, address: string): string | undefined {
  const one = ALL.find((each) => each.kind === kind);
  return one === undefined ? undefined : `write ${kind}: ${one.example(word, address)}`;
}
