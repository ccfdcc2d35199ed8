// Blocking queries that wait for a change. A parked query costs one object in a set: queries for the
// same key or prefix form a group that is looked at once per commit, and one timer serves all
// deadlines. Which index is answered is decided in key-table.ts; the answer itself in kv-api.ts.

import { type Changed, KV, type Store, TOPIC } from '../embedded.ts';

/** Deadlines are kept to this precision; a query is never answered early for it. */
const SLOT_MS = 50;

/** What a query waits for: a record, all records with a prefix, or topics of documents. */
type Subject =
  | { readonly key: string; readonly tree: boolean }
  | { readonly topics: readonly string[] };

export type ParkedQuery = Subject & {
  readonly waitMs: number;
  /** Called once: the state changed, the time is over (`changed` false), or we are closing. */
  readonly answer: (changed: boolean) => void;
};

type Group = { readonly name: string; readonly subject: Subject; readonly parked: Set<Parked> };

type Parked = {
  readonly query: ParkedQuery;
  readonly group: Group;
  /** What the query saw when it was parked; it stays while that is the same. */
  readonly mark: unknown;
  readonly slot: number;
};

export class ParkedQueries {
  readonly #store: Store;
  readonly #keys = new Map<string, Group>();
  readonly #trees = new Map<string, Group>();
  /** By all their topics; and of each topic, the groups that wait for it. */
  readonly #topics = new Map<string, Group>();
  readonly #byTopic = new Map<string, Set<Group>>();
  readonly #slots = new Map<number, Set<Parked>>();
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | undefined;
  #timerSlot = Number.POSITIVE_INFINITY;
  #size = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#stopListening = store.onChange((changes) => this.#wake(changes));
  }

  get size(): number {
    return this.#size;
  }

  /** Parks the query until the state that it asks for changes. Returns the way to give it up. */
  park(query: ParkedQuery): () => void {
    const group = this.#groupOf(query);
    const slot = Math.ceil((performance.now() + query.waitMs) / SLOT_MS);
    const parked: Parked = { query, group, mark: this.#mark(group), slot };
    group.parked.add(parked);
    const due = this.#slots.get(slot);
    if (due === undefined) this.#slots.set(slot, new Set([parked]));
    else due.add(parked);
    this.#size++;
    if (slot < this.#timerSlot) this.#arm(slot);
    return () => this.#remove(parked);
  }

  /** Answers every query with what it has, now. */
  close(): void {
    this.#stopListening();
    for (const groups of [this.#keys, this.#trees, this.#topics]) {
      for (const group of [...groups.values()]) {
        for (const parked of [...group.parked]) this.#answer(parked, false);
      }
    }
    clearTimeout(this.#timer);
  }

  #groupOf(subject: Subject): Group {
    const name = 'topics' in subject ? subject.topics.join('\n') : subject.key;
    const groups = this.#groupsOf(subject);
    let group = groups.get(name);
    if (group !== undefined) return group;
    group = { name, subject, parked: new Set() };
    groups.set(name, group);
    for (const topic of 'topics' in subject ? subject.topics : []) {
      const waiting = this.#byTopic.get(topic);
      if (waiting === undefined) this.#byTopic.set(topic, new Set([group]));
      else waiting.add(group);
    }
    return group;
  }

  #groupsOf(subject: Subject): Map<string, Group> {
    if ('topics' in subject) return this.#topics;
    return subject.tree ? this.#trees : this.#keys;
  }

  #dissolve({ name, subject }: Group): void {
    const group = this.#groupsOf(subject).get(name);
    this.#groupsOf(subject).delete(name);
    if (group === undefined || !('topics' in subject)) return;
    for (const topic of subject.topics) {
      const waiting = this.#byTopic.get(topic);
      waiting?.delete(group);
      if (waiting?.size === 0) this.#byTopic.delete(topic);
    }
  }

  #wake(changes: readonly Changed[] | 'all'): void {
    if (this.#size === 0) return;
    const touched = new Set<Group>();
    if (changes === 'all') {
      for (const groups of [this.#keys, this.#trees, this.#topics]) {
        for (const group of groups.values()) touched.add(group);
      }
    } else for (const change of changes) this.#collect(change, touched);
    for (const group of touched) {
      const mark = this.#mark(group);
      for (const parked of [...group.parked]) {
        if (parked.mark !== mark) this.#answer(parked, true);
      }
    }
  }

  #collect({ family, key, removed }: Changed, touched: Set<Group>): void {
    if (family === TOPIC) {
      for (const group of this.#byTopic.get(key) ?? []) touched.add(group);
    }
    if (family !== KV) return;
    const tree = removed !== undefined;
    if (tree) {
      for (const group of this.#keys.values()) if (group.name.startsWith(key)) touched.add(group);
    } else {
      const group = this.#keys.get(key);
      if (group !== undefined) touched.add(group);
    }
    for (const group of this.#trees.values()) {
      if (key.startsWith(group.name) || (tree && group.name.startsWith(key))) touched.add(group);
    }
  }

  #mark({ subject }: Group): unknown {
    if ('topics' in subject) {
      // A topic that is forgotten has no index and is another mark, too.
      const topics = this.#store.table.family(TOPIC);
      return subject.topics.map((topic) => topics.get(topic)?.modifyIndex ?? '').join();
    }
    const { key, tree } = subject;
    return tree ? this.#store.table.prefixMark(key) : this.#store.read(key);
  }

  #answer(parked: Parked, changed: boolean): void {
    if (this.#remove(parked)) parked.query.answer(changed);
  }

  #remove(parked: Parked): boolean {
    const { group, slot } = parked;
    if (!group.parked.delete(parked)) return false;
    this.#size--;
    if (group.parked.size === 0) this.#dissolve(group);
    const due = this.#slots.get(slot);
    due?.delete(parked);
    if (due?.size === 0) this.#slots.delete(slot);
    return true;
  }

  /** One timer, aimed at the nearest deadline; a later one costs nothing until then. */
  #arm(slot: number): void {
    clearTimeout(this.#timer);
    this.#timerSlot = slot;
    if (slot === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(1, Math.ceil(slot * SLOT_MS - performance.now()));
    this.#timer = setTimeout(() => this.#expire(), delayMs);
  }

  #expire(): void {
    const now = performance.now() / SLOT_MS;
    let next = Number.POSITIVE_INFINITY;
    for (const [slot, due] of [...this.#slots]) {
      if (slot > now) next = Math.min(next, slot);
      else for (const parked of [...due]) this.#answer(parked, false);
    }
    // An answer may have parked the next query already.
    for (const slot of this.#slots.keys()) next = Math.min(next, slot);
    this.#arm(next);
  }
}
