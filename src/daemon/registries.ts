// The registries of the configuration: opened, followed and handed on, each for itself. What one says, or
// that one says nothing, changes nothing of what another said.

import type { Log } from '../base/log.ts';
import { type Config, type RegistryConfig, readDocument, type UpstreamConfig } from '../config.ts';
import type { KnownRegistry, Memberships } from '../control.ts';
import { type FollowedServices, kindOf, type Membership, type OpenContext } from '../registry.ts';
import { type FollowedRegistry, followRegistry, noAnswer } from './first-answer.ts';
import type { Teardown } from './teardown.ts';

/** @throws data_dir_unusable, address_in_use, … when one of them cannot be opened */
export async function openRegistries(
  { registry, registries }: Config,
  {
    log,
    teardown,
    dashboard,
    inherited,
  }: {
    readonly log: Log;
    readonly teardown: Teardown;
    readonly dashboard: OpenContext['dashboard'];
    readonly inherited: OpenContext['inherited'];
  },
): Promise<readonly [KnownRegistry, ...KnownRegistry[]]> {
  const open = async (config: RegistryConfig): Promise<KnownRegistry> => {
    const { settings, prefix, name } = config;
    const own = registries.length === 0 ? {} : { registry: name };
    const found = await kindOf(settings).open(settings, {
      log: log.child({ component: 'registry', ...own }),
      prefix,
      readDocument,
      ...{ dashboard, inherited },
    });
    teardown.add(() => found.close());
    return { config, opened: found };
  };
  const first = await open(registry);
  const others: KnownRegistry[] = [];
  for (const config of registries) others.push(await open(config));
  return [first, ...others];
}

export type FollowedRegistries = {
  /** What each said first, or else what was known of it; one of which nothing is known has no entry. */
  readonly memberships: Memberships;
  /** From now on each membership goes here, with the name of its registry. */
  handOver(onMembership: (registry: string, membership: Membership) => void): void;
  /** These upstreams are followed from now on. */
  setUpstreams(upstreams: readonly UpstreamConfig[]): void;
};

export type FollowRegistriesOptions = {
  readonly log: Log;
  readonly teardown: Teardown;
  /** Of the last run. */
  readonly remembered: Memberships;
  /** With strong_dependency: how long a registry may take to answer first, ms. */
  readonly strongDeadlineMs: number;
  readonly upstreams: () => readonly UpstreamConfig[];
};

/** Waits for the first answer of each, all at once. @throws registry_unreachable */
export async function followRegistries(
  registries: readonly KnownRegistry[],
  options: FollowRegistriesOptions,
): Promise<FollowedRegistries> {
  const { log, teardown, remembered, upstreams } = options;
  const memberships = new Map<string, Membership>();
  const followed = new Map<string, FollowedRegistry>();
  const first = async ({ config, opened: { source } }: KnownRegistry): Promise<void> => {
    // A registry that the config no longer names has no say, not even a remembered one.
    if (source === undefined) return;
    const initial = remembered.get(config.name);
    const one = followRegistry({
      ...{ source, initial, config, strongDeadlineMs: options.strongDeadlineMs },
      services: servicesIn(config, upstreams()),
      // What the config does not have serves nobody: there is nothing to hold on to.
      allowEmpty: (name) =>
        upstreams().find((upstream) => upstream.name === name)?.allowEmpty !== false,
    });
    followed.set(config.name, one);
    teardown.add(() => one.close());
    const answer = await one.first;
    if (answer === undefined && config.strongDependency)
      throw noAnswer(source, config.name, options.strongDeadlineMs);
    if (answer === undefined) {
      const from = initial === undefined ? 'config' : 'snapshot';
      const { address } = source.health();
      log.warn({ registry: config.name, from, address }, 'starting without the registry');
    }
    const known = answer ?? initial;
    if (known !== undefined) memberships.set(config.name, known);
  };
  await Promise.all(registries.map(first));
  return {
    memberships,
    handOver(onMembership) {
      for (const [name, one] of followed) one.handOver((next) => onMembership(name, next));
    },
    setUpstreams(next) {
      for (const { config } of registries)
        followed.get(config.name)?.setServices(servicesIn(config, next));
    },
  };
}

function servicesIn(
  { name: registry }: RegistryConfig,
  upstreams: readonly UpstreamConfig[],
): FollowedServices {
  return new Map(
    upstreams.flatMap(({ name, follows }) =>
      follows
        .filter((followed) => followed.registry === registry)
        .map(({ service }) => [name, service] as const),
    ),
  );
}
