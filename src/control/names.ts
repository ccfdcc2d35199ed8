// Servers given by name: which addresses the name has now. Asked once for the whole gateway, here in the
// primary; the table carries the answer, so that the checks and every worker mean the same process by a
// name. The system's resolver tells no TTL, so a name is asked again every few seconds; when it cannot be
// resolved, its last addresses stay. An address keeps its place as long as it is in the answer, in whatever
// order a rotating DNS puts them. How many servers they are is said in table/name-members.ts.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { systemCode } from '../base/errors.ts';
import { Heap } from '../base/heap.ts';
import type { Log } from '../base/log.ts';
import type { RememberedName } from '../snapshot.ts';

/** All addresses of a name in the system's order. Rejects when it cannot be resolved. */
export type Lookup = (name: string) => Promise<readonly string[]>;

export const systemLookup: Lookup = async (name) =>
  (await lookup(name, { all: true })).map(({ address }) => address);

const AGAIN_MS = 5000;
/** After a failure: soon while the name has no address at all, less often while it has one. */
const UNRESOLVED_FIRST_MS = 1000;
const FAILED_MAX_MS = 30_000;
const TICK_MS = 500;
/** Lookups at a time. Each takes a thread of Node's pool, and a dead DNS holds it for many seconds. */
const LOOKUPS_MAX = 2;
const ADDRESSES_MAX = 64;

type Entry = {
  readonly name: string;
  addresses: readonly string[];
  dueMs: number;
  /** Failed lookups in a row. */
  failures: number;
  /** Its place in the queue; -1 while a lookup is under way. */
  place: number;
  /** True when one lookup has ended, in whatever way. */
  isAsked: boolean;
};

export class Names {
  readonly #entries = new Map<string, Entry>();
  /** The name that waits longest is asked for first, so that a slow DNS starves none. */
  readonly #queue = new Heap<Entry>((a, b) => a.dueMs < b.dueMs);
  readonly #remembered: ReadonlyMap<string, readonly string[]>;
  readonly #lookup: Lookup;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #waiting = new Set<() => void>();
  #onChange: (names: ReadonlySet<string>) => void = () => {};
  #used: () => ReadonlySet<string> = () => new Set(this.#entries.keys());
  /** Names that will soon be in use. */
  #expected: ReadonlySet<string> = new Set();
  #asking = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `now`: monotonic ms. */
  constructor(options: {
    readonly lookup: Lookup;
    readonly log: Log;
    readonly now?: () => number;
    /** The addresses of an earlier run. They are used until there is an answer. */
    readonly remembered?: readonly RememberedName[];
  }) {
    this.#remembered = new Map(options.remembered?.map(({ name, addresses }) => [name, addresses]));
    this.#lookup = options.lookup;
    this.#log = options.log;
    this.#now = options.now ?? (() => performance.now());
  }

  /** `used`: the names that are still needed. The others are forgotten. */
  handOver(options: {
    readonly onChange: (names: ReadonlySet<string>) => void;
    readonly used: () => ReadonlySet<string>;
  }): void {
    this.#onChange = options.onChange;
    this.#used = options.used;
  }

  /** The name's addresses, the one to use first; empty until it is resolved. Follows it from now on. */
  addresses(name: string): readonly string[] {
    const known = this.#entries.get(name);
    if (known !== undefined) return known.addresses;
    const entry: Entry = {
      ...{ name, addresses: this.#remembered.get(name) ?? [], dueMs: this.#now() },
      ...{ failures: 0, isAsked: false, place: -1 },
    };
    this.#entries.set(name, entry);
    this.#queue.add(entry);
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref();
    this.#ask();
    return entry.addresses;
  }

  /**
   * Asks for the names among these hosts. It resolves when one lookup of each has ended, or the time is
   * over. From then on the names are in use.
   */
  async expect(hosts: ReadonlySet<string>, deadlineMs: number): Promise<void> {
    this.#expected = hosts;
    for (const host of hosts) if (isIP(host) === 0) this.addresses(host);
    await this.settled(deadlineMs);
    this.#expected = new Set();
  }

  /** For the snapshot. */
  remembered(): RememberedName[] {
    return [...this.#entries.values()].map(({ name, addresses }) => ({ name, addresses }));
  }

  /** Resolves when one lookup of each name has ended, or the time is over. */
  async settled(deadlineMs: number): Promise<void> {
    const isOpen = (): boolean => [...this.#entries.values()].some(({ isAsked }) => !isAsked);
    if (!isOpen()) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const look = (): void => {
        if (!isOpen()) finish();
      };
      const timer = setTimeout(finish, deadlineMs);
      this.#waiting.add(look);
    });
  }

  /** Asks for what is due, and forgets what nobody needs. A timer calls it; a test calls it itself. */
  tick(): void {
    if ((this.#queue.first?.dueMs ?? Number.POSITIVE_INFINITY) > this.#now()) return;
    const used = this.#used();
    for (const [name, entry] of this.#entries) {
      if (used.has(name) || this.#expected.has(name)) continue;
      this.#entries.delete(name);
      this.#queue.remove(entry);
    }
    this.#ask();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  #ask(): void {
    const nowMs = this.#now();
    for (;;) {
      const { first } = this.#queue;
      if (first === undefined || first.dueMs > nowMs || this.#asking >= LOOKUPS_MAX) return;
      void this.#resolve(first);
    }
  }

  async #resolve(entry: Entry): Promise<void> {
    this.#queue.remove(entry);
    this.#asking += 1;
    let answer: readonly string[] = [];
    let code = 'no address';
    try {
      answer = await this.#lookup(entry.name);
    } catch (error) {
      code = systemCode(error) || 'failed';
    }
    entry.isAsked = true;
    this.#asking -= 1;
    if (this.#isClosed) return;
    if (this.#entries.get(entry.name) === entry) {
      if (answer.length === 0) this.#failed(entry, code);
      else this.#resolved(entry, answer);
      this.#queue.add(entry);
    }
    for (const look of [...this.#waiting]) look();
    this.#ask();
  }

  #resolved(entry: Entry, answer: readonly string[]): void {
    const { name, addresses: last, failures } = entry;
    entry.dueMs = this.#now() + AGAIN_MS;
    entry.failures = 0;
    const next = mergeAddresses(last, answer);
    if (failures > 0) this.#log.info({ name, addresses: next }, 'server name resolves again');
    if (isSameList(last, next)) return;
    entry.addresses = next;
    if (last.length > 0 && last[0] !== next[0]) {
      this.#log.info({ name, from: last, to: next }, 'server name has another address');
    }
    this.#onChange(new Set([name]));
  }

  /** It is said once, and again only after the name has resolved. */
  #failed(entry: Entry, code: string): void {
    const { name, addresses } = entry;
    entry.failures += 1;
    const isKnown = addresses.length > 0;
    const pauseMs = (isKnown ? AGAIN_MS : UNRESOLVED_FIRST_MS) * 2 ** (entry.failures - 1);
    entry.dueMs = this.#now() + Math.min(pauseMs, isKnown ? FAILED_MAX_MS : AGAIN_MS);
    if (entry.failures > 1) return;
    this.#log.warn(
      { name, code, addresses },
      isKnown
        ? 'server name cannot be resolved now; its last addresses stay in use'
        : 'server name cannot be resolved; it takes no requests until it can: check the name and the DNS of this machine',
    );
  }
}

/** Addresses that were there stay in front, in the same order. */
export function mergeAddresses(last: readonly string[], answer: readonly string[]): string[] {
  const kept = last.filter((address) => answer.includes(address));
  const fresh = answer.filter((address) => !last.includes(address));
  return [...new Set([...kept, ...fresh])].slice(0, ADDRESSES_MAX);
}

export function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((item, at) => item === b[at]));
}
