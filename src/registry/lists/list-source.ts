// A source that has no place with all lists in it: each upstream that follows is looked up for itself, under
// the name that it has there. What is wrong with one list, or that it cannot be looked up now, touches no
// other; the health of the source is that of the list that fares worst.

import type { Log } from '../../base/log.ts';
import type {
  FollowedServices,
  Follower,
  FollowOptions,
  MembershipSource,
  SourceHealth,
} from '../membership-source.ts';
import {
  type Membership,
  MembershipReader,
  ProblemLog,
  type RecordProblem,
  type RecordText,
} from '../records.ts';

/** A list as it now is: keys like `app/127.0.0.1:9001`, the name of the upstream in front. */
export type ServerList = {
  readonly index: number;
  readonly entries: readonly RecordText[];
  /** What is wrong beside what is wrong with the entries. */
  readonly problems?: readonly RecordProblem[];
};

export type LookupEvents = {
  readonly onList: (list: ServerList) => void;
  /** It cannot be looked up, for this reason; until the next list. */
  readonly onTrouble: (reason: string) => void;
};

export type Lookups = {
  /** What is asked, for people. */
  address(): string;
  /** Looks up the list now and whenever it may have changed. */
  look(upstream: string, service: string, events: LookupEvents): { close(): void };
};

export function listSource(options: {
  readonly log: Log;
  /** For one follower. */
  readonly open: () => Lookups & { close(): void };
}): MembershipSource {
  const { log, open } = options;
  const idle = open();
  let health: SourceHealth = {
    ...{ reachable: false, address: idle.address(), lastContactMs: 0, trouble: '' },
  };
  idle.close();
  return {
    follow(follow) {
      const lookups = open();
      const setHealth = (next: SourceHealth): void => {
        health = next;
      };
      return new ListFollower({ ...follow, log, lookups, setHealth });
    },
    health: () => health,
  };
}

type FollowerOptions = FollowOptions & {
  readonly log: Log;
  readonly lookups: Lookups & { close(): void };
  readonly setHealth: (health: SourceHealth) => void;
};

class FollowedList {
  readonly service: string;
  readonly #reader: MembershipReader;
  lookup: { close(): void } = { close() {} };
  /** What was known before the first answer, then what the answers say. */
  membership: Membership;
  /** It has answered, or is known not to. */
  isSettled = false;
  trouble = '';

  constructor(service: string, initial: Membership, allowEmpty: (upstream: string) => boolean) {
    this.service = service;
    this.membership = initial;
    this.#reader = new MembershipReader('', allowEmpty, initial);
  }

  read(list: ServerList): void {
    const read = this.#reader.read(list);
    const problems = [...(list.problems ?? []), ...read.problems];
    this.membership = { ...read, problems };
    this.isSettled = true;
    this.trouble = '';
  }
}

class ListFollower implements Follower {
  readonly #options: FollowerOptions;
  readonly #problems: ProblemLog;
  /** By upstream. */
  #lists = new Map<string, FollowedList>();
  #isTold = false;
  #isClosed = false;
  #lastContactMs = 0;
  /** What was told last; undefined before the first answer or failure. */
  #reachable: boolean | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#problems = new ProblemLog(options.log);
    this.setServices(options.services ?? new Map());
  }

  setServices(services: FollowedServices): void {
    const last = this.#lists;
    const added: string[] = [];
    this.#lists = new Map(
      [...services].map(([upstream, service]) => {
        const known = last.get(upstream);
        if (known?.service === service) return [upstream, known];
        added.push(upstream);
        return [upstream, this.#create(upstream, service, known)];
      }),
    );
    for (const [upstream, list] of last) {
      if (this.#lists.get(upstream) !== list) list.lookup.close();
    }
    // Not before all are in the map: a lookup may answer at once.
    for (const upstream of added) this.#begin(upstream);
    this.#tell();
  }

  close(): void {
    this.#isClosed = true;
    for (const { lookup } of this.#lists.values()) lookup.close();
    this.#options.lookups.close();
  }

  /** `before`: the list of the same upstream under another name; it counts as known. */
  #create(upstream: string, service: string, before: FollowedList | undefined): FollowedList {
    const { initial, allowEmpty = () => false } = this.#options;
    const known = (before?.membership ?? initial)?.services.get(upstream);
    const membership: Membership = {
      index: 0,
      services: new Map(known === undefined ? [] : [[upstream, known]]),
      problems: [],
      held: [],
    };
    return new FollowedList(service, membership, allowEmpty);
  }

  #begin(upstream: string): void {
    const list = this.#lists.get(upstream);
    if (list === undefined) return;
    list.lookup = this.#options.lookups.look(upstream, list.service, {
      onList: (found) => {
        if (this.#isClosed || this.#lists.get(upstream) !== list) return;
        const { trouble, membership } = list;
        if (trouble !== '') this.#options.log.info({ upstream, service: list.service }, BACK);
        list.read(found);
        this.#lastContactMs = Date.now();
        if (!isSame(membership, list.membership)) this.#tell();
        else this.#tell(this.#isTold);
      },
      onTrouble: (reason) => {
        if (this.#isClosed || this.#lists.get(upstream) !== list) return;
        const { log } = this.#options;
        if (list.trouble === '') log.warn({ upstream, service: list.service, reason }, AWAY);
        list.isSettled = true;
        list.trouble = reason;
        this.#tell(this.#isTold);
      },
    });
  }

  /** `healthOnly`: no list is another one. */
  #tell(healthOnly = false): void {
    const lists = [...this.#lists.values()];
    // The first word is about all of them, or those that are slow would seem to be empty.
    if (!this.#isTold && lists.some(({ isSettled }) => !isSettled)) return;
    const troubles = lists.filter(({ trouble }) => trouble !== '');
    this.#setHealth(troubles[0]?.trouble ?? '');
    // Nothing is known at all: it is not there, and says nothing.
    if (!this.#isTold && lists.length > 0 && troubles.length === lists.length) return;
    if (healthOnly && this.#isTold) return;
    this.#isTold = true;
    const membership: Membership = {
      index: Math.max(0, ...lists.map(({ membership: { index } }) => index)),
      services: new Map(lists.flatMap(({ membership: { services } }) => [...services])),
      problems: lists.flatMap(({ membership: { problems } }) => problems),
      held: lists.flatMap(({ membership: { held } }) => held).sort(),
    };
    this.#problems.note(membership);
    this.#options.onMembership(membership);
  }

  #setHealth(trouble: string): void {
    const { lookups, setHealth, onHealth } = this.#options;
    const reachable = trouble === '';
    const health = {
      ...{ reachable, trouble, address: lookups.address(), lastContactMs: this.#lastContactMs },
    };
    setHealth(health);
    if (this.#reachable === reachable) return;
    this.#reachable = reachable;
    onHealth?.(health);
  }
}

const AWAY = 'servers cannot be looked up, those that are known stay';
const BACK = 'servers can be looked up again';

/** Nothing in it is news; the index of a registry also moves without. */
function isSame(a: Membership, b: Membership): boolean {
  return (
    a.index === b.index &&
    a.problems.length === 0 &&
    b.problems.length === 0 &&
    a.held.length === b.held.length &&
    a.services.size === b.services.size &&
    [...a.services].every(([name, list]) => b.services.get(name) === list)
  );
}
