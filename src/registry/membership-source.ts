// Where the servers of the upstreams are learnt, whatever stands behind it: records in a store, a file.
// A source is only followed. Whether its servers can also be written is another matter: RecordStore.

import type { Membership } from './records.ts';

/** How a source is doing, for status pages and `strong_dependency`. */
export type SourceHealth = {
  /** False: the last look at it gave nothing that can be used. */
  readonly reachable: boolean;
  /** `host:port` of the registry in use, or the path of a file. */
  readonly address: string;
  /** Wall clock of the last good answer, ms; 0 = never. */
  readonly lastContactMs: number;
  /** The last failure, '' when the last look was good. */
  readonly trouble: string;
};

/** Which upstreams follow a source, with the name that each has there. */
export type FollowedServices = ReadonlyMap<string, string>;

export type FollowOptions = {
  /** Those that follow it at first; a source that has all lists in one place tells of others, too. */
  readonly services?: FollowedServices;
  /** The last known good from before our start. */
  readonly initial?: Membership | undefined;
  /** True: an emptied or vanished list of this service is taken as it is. */
  readonly allowEmpty?: (service: string) => boolean;
  /** The whole membership, at the start and after each change. Unchanged lists are the same arrays. */
  readonly onMembership: (membership: Membership) => void;
  /** The source went away (reachable false, once) or came back (once). */
  readonly onHealth?: (health: SourceHealth) => void;
};

export type Follower = {
  /** From now on these upstreams follow. A source that has all lists in one place needs no such word. */
  setServices?(services: FollowedServices): void;
  close(): void;
};

/** Trouble changes no list: followers keep what was told last, and hear of the trouble by onHealth. */
export interface MembershipSource {
  follow(options: FollowOptions): Follower;
  health(): SourceHealth;
}
