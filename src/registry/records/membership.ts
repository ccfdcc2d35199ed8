// Follows the registry's records and turns them into the instances of each service. Keeps what was
// last known good where a record cannot be read, and brakes when a whole list empties or vanishes:
// a lost token, a wrong prefix or a wiped registry look exactly like that, and a pool that empties
// by accident is an outage. Only records whose bytes changed are parsed.

import type { Log } from '../../base/log.ts';
import { formatAddress } from '../../base/units.ts';
import type { MembershipSource } from '../membership-source.ts';
import type { KvChange, RecordStore } from '../record-store.ts';
import type { Instance, Membership, RecordProblem, RecordText } from './instance.ts';
import { readInstance, readKey } from './instance-record.ts';
import { ListChanges } from './list-changes.ts';

/** The servers that the records under a prefix (it ends with a slash) describe. */
export function recordSource(options: {
  readonly store: RecordStore;
  readonly prefix: string;
  readonly log: Log;
}): MembershipSource {
  const { store, prefix, log } = options;
  return {
    follow({ onMembership, onHealth, allowEmpty, initial }) {
      const reader = new MembershipReader(prefix, allowEmpty, initial);
      const said = new ProblemLog(log);
      const tell = (membership: Membership): void => {
        said.note(membership);
        onMembership(membership);
      };
      return store.watch(prefix, {
        onState: (state) => tell(reader.read(state)),
        onRecords: (change) => {
          const membership = reader.change(change);
          if (membership !== undefined) tell(membership);
          return membership !== undefined;
        },
        ...(onHealth === undefined ? {} : { onHealth }),
      });
    },
    health: () => store.health(),
  };
}

const PROBLEMS_LOGGED_MAX = 20;

/** Logs each problem when it appears, not as long as it stays. */
export class ProblemLog {
  readonly #log: Log;
  #told: ReadonlySet<string> = new Set();

  constructor(log: Log) {
    this.#log = log;
  }

  note(membership: Membership): void {
    const now = new Set<string>();
    let logged = 0;
    for (const { key, message } of membership.problems) {
      const said = `${key} ${message}`;
      now.add(said);
      if (this.#told.has(said) || logged >= PROBLEMS_LOGGED_MAX) continue;
      logged += 1;
      this.#log.warn({ key, reason: message }, 'registry record has a problem');
    }
    this.#told = now;
  }
}

type Remembered = {
  readonly value: Uint8Array;
  /** The instance as it stands: of this record, with the last good of what is unreadable. */
  readonly instance: Instance | undefined;
  readonly problems: readonly RecordProblem[];
};

/** The state behind one followed prefix: records by key and lists by service. */
export class MembershipReader {
  readonly #prefix: string;
  readonly #allowEmpty: (service: string) => boolean;
  #records = new Map<string, Remembered>();
  /** The key of each listed instance, by service and id. */
  #owners = new Map<string, string>();
  /** The last word; undefined before the first. */
  #membership: Membership | undefined;
  #services: ReadonlyMap<string, readonly Instance[]>;

  constructor(
    prefix: string,
    allowEmpty: (service: string) => boolean = () => false,
    initial?: Membership,
  ) {
    this.#prefix = prefix;
    this.#allowEmpty = allowEmpty;
    this.#services = initial?.services ?? new Map();
  }

  read(state: { readonly index: number; readonly entries: readonly RecordText[] }): Membership {
    const problems: RecordProblem[] = [];
    const records = new Map<string, Remembered>();
    const lists = new Map<string, Instance[]>();
    const owners = new Map<string, string>();
    for (const entry of state.entries) {
      // A folder; nothing is wrong with it.
      if (entry.key.endsWith('/')) continue;
      const record = this.#readRecord(entry);
      records.set(entry.key, record);
      problems.push(...record.problems);
      const { instance } = record;
      if (instance === undefined) continue;
      const name = `${instance.service}/${instance.id}`;
      const owner = owners.get(name);
      if (owner !== undefined) {
        problems.push({
          service: instance.service,
          server: instance.id,
          key: entry.key,
          message: `the same server as ${owner}, which counts`,
        });
        continue;
      }
      owners.set(name, entry.key);
      const list = lists.get(instance.service);
      if (list === undefined) lists.set(instance.service, [instance]);
      else list.push(instance);
    }
    this.#records = records;
    this.#owners = owners;
    const held = this.#brake(lists, problems);
    this.#services = this.#reuse(lists);
    this.#membership = { index: state.index, services: this.#services, problems, held };
    return this.#membership;
  }

  /**
   * The same as `read` with these records written and these keys gone, for the usual case: nothing wrong with
   * them before or after, and no list that begins or ends. Undefined for any other, and then nothing has
   * changed here.
   */
  change({ index, entries, removed }: KvChange): Membership | undefined {
    const last = this.#membership;
    if (last === undefined || last.held.length > 0) return undefined;
    const next = new ListChanges(last, this.#owners);
    const records = new Map<string, Remembered | undefined>();
    for (const key of removed) {
      const before = this.#records.get(key);
      if (before === undefined) continue;
      if (before.problems.length > 0 || !next.leaves(key, before.instance)) return undefined;
      records.set(key, undefined);
    }
    for (const entry of entries) {
      const before = this.#records.get(entry.key);
      if (before === undefined && entry.key.endsWith('/')) continue;
      const after = this.#readRecord(entry);
      if (after === before) continue;
      if (after.problems.length > 0 || (before?.problems.length ?? 0) > 0) return undefined;
      const isTaken =
        before === undefined
          ? next.joins(entry.key, after.instance)
          : next.stays(before.instance, after.instance);
      if (!isTaken) return undefined;
      records.set(entry.key, after);
    }
    for (const [key, record] of records) {
      if (record === undefined) this.#records.delete(key);
      else this.#records.set(key, record);
    }
    next.keepOwners();
    const { lists } = next;
    if (lists.size > 0) this.#services = new Map([...last.services, ...lists]);
    this.#membership = { ...last, index, services: this.#services };
    return this.#membership;
  }

  #readRecord({ key, value }: RecordText): Remembered {
    const before = this.#records.get(key);
    if (before?.value === value) return before;
    if (before !== undefined && Buffer.compare(before.value, value) === 0) return before;
    const read = readInstance(key, value, this.#prefix);
    if ('instance' in read && read.unreadable.length === 0) {
      return { value, instance: read.instance, problems: read.problems };
    }
    const last = before?.instance ?? this.#lastKnown(key);
    if ('problem' in read) {
      const effect = last === undefined ? 'not added' : 'its last good state is kept';
      const problems = [{ ...read.problem, message: `${read.problem.message} (${effect})` }];
      return { value, instance: last, problems };
    }
    let { instance } = read;
    if (last !== undefined) {
      for (const name of read.unreadable) instance = { ...instance, [name]: last[name] };
    }
    return { value, instance, problems: read.problems };
  }

  /** What is known of a record seen for the first time: from before our start, or a held list. */
  #lastKnown(key: string): Instance | undefined {
    const place = readKey(key, this.#prefix);
    if (typeof place === 'string') return undefined;
    const id = formatAddress(place.address);
    return this.#services.get(place.service)?.find((instance) => instance.id === id);
  }

  /** Puts back the last list of each service that had instances and now has none. */
  #brake(lists: Map<string, Instance[]>, problems: RecordProblem[]): readonly string[] {
    const held: string[] = [];
    for (const [service, last] of this.#services) {
      if (last.length === 0 || lists.has(service) || this.#allowEmpty(service)) continue;
      lists.set(service, [...last]);
      held.push(service);
      problems.push({
        service,
        server: '',
        key: `${this.#prefix}${service}/`,
        message: `its list of ${last.length} vanished and is held; write a server, or set allow_empty`,
      });
    }
    return held.sort();
  }

  /** A list that did not change stays the same array, so that others need not compare it. */
  #reuse(lists: ReadonlyMap<string, readonly Instance[]>): Map<string, readonly Instance[]> {
    const services = new Map<string, readonly Instance[]>();
    for (const [service, list] of lists) {
      const last = this.#services.get(service);
      const same =
        last?.length === list.length && list.every((instance, at) => instance === last[at]);
      services.set(service, same && last !== undefined ? last : list);
    }
    return services;
  }
}
