// Follows the registry and waits, at the start, for its first answer. With strong_dependency it waits
// until the deadline, otherwise only until the registry answers or is known to be away. What comes
// later goes to whoever takes over.

import { SluiceError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import { DEFAULT_REGISTRY, type RegistryConfig } from '../config.ts';
import type { FollowedServices, Membership, MembershipSource } from '../registry.ts';

/** With strong_dependency: how long the registry may take to answer, ms. */
export const STRONG_DEADLINE_MS = 15_000;
/** Without: how long we wait for a registry that neither answers nor fails, ms. */
const WEAK_DEADLINE_MS = 2000;

export type FollowedRegistry = {
  /** Resolves with the first answer, or undefined when there was none in time. */
  readonly first: Promise<Membership | undefined>;
  /** From now on every membership goes here, first the one that came meanwhile. */
  handOver(onMembership: (membership: Membership) => void): void;
  setServices(services: FollowedServices): void;
  close(): void;
};

export function followRegistry(options: {
  readonly config: RegistryConfig;
  readonly services: FollowedServices;
  /** An emptied or vanished list of this upstream is taken as it is. */
  readonly allowEmpty: (upstream: string) => boolean;
  readonly source: MembershipSource;
  readonly initial: Membership | undefined;
  readonly strongDeadlineMs: number;
}): FollowedRegistry {
  const { config, source, initial } = options;
  const first = Promise.withResolvers<Membership | undefined>();
  const isStrong = config.strongDependency;
  let receive: ((membership: Membership) => void) | undefined;
  let latest: Membership | undefined;
  const timer = setTimeout(
    () => first.resolve(undefined),
    isStrong ? options.strongDeadlineMs : WEAK_DEADLINE_MS,
  );
  const watch = source.follow({
    initial,
    services: options.services,
    allowEmpty: options.allowEmpty,
    onMembership: (membership) => {
      latest = membership;
      first.resolve(membership);
      receive?.(membership);
    },
    onHealth: (health) => {
      if (!health.reachable && !isStrong) first.resolve(undefined);
    },
  });
  return {
    first: first.promise.finally(() => clearTimeout(timer)),
    handOver(onMembership) {
      receive = onMembership;
      if (latest !== undefined) onMembership(latest);
    },
    setServices(services) {
      watch.setServices?.(services);
    },
    close() {
      clearTimeout(timer);
      first.resolve(undefined);
      watch.close();
    },
  };
}

/** `name`: of the registry in the configuration. */
export function noAnswer(source: MembershipSource, name: string, deadlineMs: number): SluiceError {
  const { address, trouble } = source.health();
  const why = trouble === '' ? '' : ` (${trouble})`;
  const section = name === DEFAULT_REGISTRY ? 'registry' : `registries.${name}`;
  return new SluiceError(
    'registry_unreachable',
    `registry ${address}: no answer within ${formatDuration(deadlineMs)}${why}; start it or mend it, correct its address, or set "${section}.strong_dependency: off"`,
  );
}
