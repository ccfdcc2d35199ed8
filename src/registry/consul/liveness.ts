// Whether the queries of the watches still wait for somebody. A blocking query is silent for a minute
// when all is well, and silent as well when its agent stands still, the leader behind it was lost, or
// a firewall forgot the connection. So twice a second the agent that a query waits at is asked a small
// question on another connection, which the leader has to answer:
// - no answer within a second: all addresses are asked at once, and the queries at the silent one are
//   cut, so that they are asked anew at the first that answers;
// - an answer that shows a change of the prefix, of which the query says nothing: the same.
// This costs two small requests a second for a client, however many watches it has.

import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../base/log.ts';
import { type Address, formatAddress } from '../../base/units.ts';
import type { Access } from './credentials.ts';
import type { ConsulReply, RequestFailure } from './http-request.ts';
import { isFailure, isSignOfLife, noLife } from './judge.ts';
import { type ConsulTransport, SILENCE_MS } from './transport.ts';

const ASK_EVERY_MS = 500;
/** Listing the keys of a prefix costs the registry more than the small question. */
const KEYS_EVERY_MS = 2_000;
/** The answer of a query may be on its way when its index is compared. */
const ON_ITS_WAY_MS = 300;
/** Silence of all addresses after which followers are told. */
const TELL_AFTER_MS = 3_000;

/** A query that has been sent and has no answer yet. */
export type ParkedQuery = {
  readonly address: Address;
  readonly access: Access;
  /** What the query waits for to change; 0: it waits for nothing. */
  readonly index: number;
  /** The prefix has no record, as far as we know. */
  readonly isEmpty: boolean;
  /** Paths of a question for one key, and for the keys of the prefix. */
  readonly keyPath: string;
  readonly keysPath: string;
  /** Its answer has begun to arrive. */
  readonly isArriving: () => boolean;
  /** Gives it up; the reason is logged. */
  readonly cut: () => void;
  /** No address has given a sign of life for a while. */
  readonly onSilence: (reason: string) => void;
};

export class Liveness {
  readonly #transport: ConsulTransport;
  readonly #log: Log;
  /** In the order in which they are looked at. */
  readonly #parked = new Set<ParkedQuery>();
  /** By path: which question is allowed, and what was seen. */
  readonly #prefixes = new Map<string, PrefixFacts>();
  #timer: NodeJS.Timeout | undefined;
  #isSearching = false;

  constructor(transport: ConsulTransport, log: Log) {
    this.#transport = transport;
    this.#log = log;
    transport.closing.addEventListener('abort', () => clearTimeout(this.#timer));
  }

  park(query: ParkedQuery): void {
    this.#parked.add(query);
    this.#schedule();
  }

  unpark(query: ParkedQuery): void {
    this.#parked.delete(query);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#transport.closing.aborted) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const [query] = this.#parked;
      if (query === undefined) return;
      this.#schedule();
      if (!this.#isSearching) {
        // Behind the others for the next time.
        this.#parked.delete(query);
        this.#parked.add(query);
        void this.#look(query);
      }
    }, ASK_EVERY_MS);
  }

  async #look(query: ParkedQuery): Promise<void> {
    const facts = this.#factsOf(query);
    const path = facts.isKeyForbidden ? query.keysPath : query.keyPath;
    const reply = await this.#ask(query, path);
    if (this.#transport.closing.aborted) return;
    if (isFailure(reply) || !isSignOfLife(reply)) {
      await this.#search(query.address, isFailure(reply) ? reply : noLife(reply, query.address));
      return;
    }
    // A token for what is below the prefix; lists are not refused.
    if (reply.status === 403) facts.isKeyForbidden = true;
    if (!this.#parked.has(query)) return;
    if (query.access !== this.#transport.access) query.cut();
    else if (this.#mayHaveChanged(query, facts, reply)) await this.#compare(query, facts);
  }

  /** Cheap, and often wrong: the registry's index has moved, by a change of whatever record. */
  #mayHaveChanged(query: ParkedQuery, facts: PrefixFacts, reply: ConsulReply): boolean {
    const { index, status } = reply;
    if (query.index === 0 || index === undefined || query.isArriving()) return false;
    // Where the key of the prefix is a record, its answer has that record's index.
    const isOwn = status === 200 && !facts.isKeyForbidden;
    const isNews = isOwn || (index !== query.index && index !== facts.seenIndex);
    if (!isNews || performance.now() < facts.nextKeysMs) return false;
    facts.seenIndex = index;
    facts.nextKeysMs = performance.now() + KEYS_EVERY_MS;
    return true;
  }

  /** Cuts a query that is silent about a change. */
  async #compare(query: ParkedQuery, facts: PrefixFacts): Promise<void> {
    if (!(await this.#isBehind(query, facts))) return;
    await delay(ON_ITS_WAY_MS, undefined, { signal: this.#transport.closing }).catch(() => {});
    // Again, because the answer of the query may have been behind the answer that was compared.
    if (!(await this.#isBehind(query, facts))) return;
    facts.wrongIndex = facts.listIndex;
    const fields = { address: formatAddress(query.address), index: query.index };
    this.#log.warn(fields, 'registry query is silent about a change, reading anew');
    query.cut();
  }

  async #isBehind(query: ParkedQuery, facts: PrefixFacts): Promise<boolean> {
    const reply = await this.#ask(query, query.keysPath);
    if (!this.#parked.has(query) || query.isArriving()) return false;
    if (isFailure(reply) || !isSignOfLife(reply) || reply.index === undefined) return false;
    // The index of an absent prefix is the registry's own, which moves with everything.
    if (query.isEmpty && reply.status === 404) return false;
    facts.listIndex = reply.index;
    // A registry that has another index for keys than for records is believed once.
    return reply.index !== query.index && reply.index !== facts.wrongIndex;
  }

  /** Until somebody answers; then the queries at the silent address are asked anew. */
  async #search(silent: Address, first: RequestFailure): Promise<void> {
    if (this.#isSearching) return;
    this.#isSearching = true;
    const sinceMs = performance.now();
    let isTold = false;
    try {
      while (!this.#transport.closing.aborted && this.#at(silent).length > 0) {
        const startedMs = performance.now();
        const found = await this.#transport.findAlive(0);
        if (!isFailure(found)) {
          const fields = {
            address: formatAddress(silent),
            reason: first.reason,
            now: formatAddress(this.#transport.address),
          };
          if (this.#at(silent).length > 0) this.#log.warn(fields, SILENT_MESSAGE);
          for (const query of this.#at(silent)) query.cut();
          return;
        }
        if (!isTold && performance.now() - sinceMs > TELL_AFTER_MS - SILENCE_MS) {
          isTold = true;
          for (const query of this.#parked) query.onSilence(found.reason);
        }
        const pauseMs = ASK_EVERY_MS - (performance.now() - startedMs);
        if (pauseMs > 0) {
          await delay(pauseMs, undefined, { signal: this.#transport.closing }).catch(() => {});
        }
      }
    } finally {
      this.#isSearching = false;
    }
  }

  #at(address: Address): readonly ParkedQuery[] {
    return [...this.#parked].filter((query) => query.address === address);
  }

  #ask(query: ParkedQuery, path: string): Promise<ConsulReply | RequestFailure> {
    const { address } = query;
    const signal = this.#transport.closing;
    return this.#transport.ask(path, { address, timeoutMs: SILENCE_MS, signal });
  }

  #factsOf({ keyPath }: ParkedQuery): PrefixFacts {
    let facts = this.#prefixes.get(keyPath);
    if (facts === undefined) {
      facts = { isKeyForbidden: false, nextKeysMs: 0, seenIndex: 0, listIndex: 0, wrongIndex: 0 };
      this.#prefixes.set(keyPath, facts);
    }
    return facts;
  }
}

const SILENT_MESSAGE = 'registry address is silent, its queries are asked anew';

type PrefixFacts = {
  isKeyForbidden: boolean;
  /** When the keys may be listed next; monotonic, ms. */
  nextKeysMs: number;
  /** Of the registry, when the keys were listed last. */
  seenIndex: number;
  /** Of the prefix, as the last list of keys had it, and one that led to nothing. */
  listIndex: number;
  wrongIndex: number;
};
