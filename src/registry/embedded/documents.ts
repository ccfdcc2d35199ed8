// What the registry keeps beside the KV: sessions, services, tokens and so on. A document is an entry of
// a family with JSON as its text. Whoever owns a kind declares it once and works with values.
//
// Topics: what a blocking query on documents waits for. A topic is a name whose entry has the index of
// its last change, kept over restarts. Every kind is a topic of its own name; a family may touch finer
// ones (`service/web`), and unsets those that will never return.

import type { Entry } from './entry.ts';
import type { KeyTable } from './key-table.ts';
import type { WriteGroup } from './write-group.ts';

/** The family of the topics. */
export const TOPIC = 'topic';

/** A document as its family sees it. */
export type Stored<Value> = {
  readonly id: string;
  readonly value: Value;
  readonly createIndex: number;
  readonly modifyIndex: number;
};

/** What clients may make it grow to: so many documents of so many characters. */
export type DocumentLimits = { readonly most: number; readonly lengthMax: number };

const NO_LIMITS: DocumentLimits = {
  most: Number.POSITIVE_INFINITY,
  lengthMax: Number.POSITIVE_INFINITY,
};

/** A kind of document and how its text is read. The parsed value is kept while the document is the same. */
export class DocumentKind<Value> {
  readonly name: string;
  readonly #parse: (json: unknown) => Value;
  readonly #limits: DocumentLimits;
  readonly #parsed = new WeakMap<Entry, Stored<Value>>();

  /** `parse` is only given what `put` wrote, possibly by an older version. */
  constructor(name: string, parse: (json: unknown) => Value, limits = NO_LIMITS) {
    this.name = name;
    this.#parse = parse;
    this.#limits = limits;
  }

  /** Why a client's document is not kept; '' when it may be. Asked in the write that puts it. */
  overLimit({ table }: WriteGroup, id: string, value: Value): string {
    const { most, lengthMax } = this.#limits;
    const { length } = JSON.stringify(value);
    if (length > lengthMax) {
      return `${this.name}: ${length} characters, and at most ${lengthMax} are kept of one`;
    }
    const family = table.family(this.name);
    if (family.size < most || family.get(id) !== undefined) return '';
    return `${this.name}: there are ${family.size}, and this registry keeps no more; remove those that nobody needs`;
  }

  find(table: KeyTable, id: string): Stored<Value> | undefined {
    const entry = table.family(this.name).get(id);
    return entry === undefined ? undefined : this.#stored(entry);
  }

  /** In the order of the ids; `prefix`: those whose id begins with it. */
  list(table: KeyTable, prefix = ''): readonly Stored<Value>[] {
    return table
      .family(this.name)
      .values(prefix)
      .map((entry) => this.#stored(entry));
  }

  /** An identical value changes nothing. Touches the topic of the kind. */
  put(writes: WriteGroup, id: string, value: Value): Stored<Value> {
    const before = writes.table.family(this.name).get(id);
    const entry = writes.set(this.name, id, JSON.stringify(value));
    if (entry !== before) touchTopic(writes, this.name);
    return this.#stored(entry);
  }

  /** False when there is none. Touches the topic of the kind. */
  remove(writes: WriteGroup, id: string): boolean {
    const wasThere = writes.unset(this.name, id);
    if (wasThere) touchTopic(writes, this.name);
    return wasThere;
  }

  #stored(entry: Entry): Stored<Value> {
    let stored = this.#parsed.get(entry);
    if (stored === undefined) {
      const { key, content, createIndex, modifyIndex } = entry;
      const value = this.#parse(JSON.parse(String(content)));
      stored = { id: key, value, createIndex, modifyIndex };
      this.#parsed.set(entry, stored);
    }
    return stored;
  }
}

/** The topic changed with this write: who waits for it wakes. */
export function touchTopic(writes: WriteGroup, topic: string): void {
  // An entry that stays the same would keep its index.
  const before = writes.table.family(TOPIC).get(topic)?.content;
  writes.set(TOPIC, topic, before === '0' ? '1' : '0');
}

/** The index of the newest change of these topics; 1 when there was none, as no answer carries 0. */
export function topicIndex(table: KeyTable, ...topics: readonly string[]): number {
  const entries = table.family(TOPIC);
  return Math.max(1, ...topics.map((topic) => entries.get(topic)?.modifyIndex ?? 0));
}
