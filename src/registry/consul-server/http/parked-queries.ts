// Blocking queries that wait for a change. A parked query costs one object in a set: queries for the
// same key or prefix form a group that is woken whole, and one timer serves all deadlines. They are
// answered some at a time after the writer has its acknowledgement; a burst of writes wakes each once. Which index is answered is decided in key-table.ts; the answer itself in kv-api.ts.

import { type Changed, KV, type Store, someUnder, TOPIC } from '../../embedded.ts';

/** Deadlines are kept to this precision; a query is never answered early for it. */
const SLOT_MS = 50;
/** About a millisecond of work. */
const ANSWERS_AT_ONCE = 64;

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
  readonly slot: number;
};

export class ParkedQueries {
  readonly #keys = new Map<string, Group>();
  readonly #trees = new Map<string, Group>();
  /** By all their topics; and of each topic, the groups that wait for it. */
  readonly #topics = new Map<string, Group>();
  readonly #byTopic = new Map<string, Set<Group>>();
  readonly #slots = new Map<number, Set<Parked>>();
  readonly #stopListening: () => void;
  /** How many prefixes of which length are waited for: these alone are looked up for a key. */
  readonly #treeLengths = new Map<number, number>();
  /** Groups whose state changed; what is still in them has no answer yet. */
  readonly #woken: Group[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerSlot = Number.POSITIVE_INFINITY;
  #size = 0;

  constructor(store: Store) {
    this.#stopListening = store.onChange((changes) => this.#wake(changes));
  }

  get size(): number {
    return this.#size;
  }

  /** Parks the query until the state that it asks for changes. Returns the way to give it up. */
  park(query: ParkedQuery): () => void {
    const group = this.#groupOf(query);
    const slot = Math.ceil((performance.now() + query.waitMs) / SLOT_MS);
    const parked: Parked = { query, group, slot };
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
    for (const due of [...this.#slots.values()]) {
      for (const parked of [...due]) this.#answer(parked, false);
    }
    clearImmediate(this.#scheduled);
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
    if (groups === this.#trees) {
      this.#treeLengths.set(name.length, (this.#treeLengths.get(name.length) ?? 0) + 1);
    }
    return group;
  }

  #groupsOf(subject: Subject): Map<string, Group> {
    if ('topics' in subject) return this.#topics;
    return subject.tree ? this.#trees : this.#keys;
  }

  /** The group takes no more queries; those that it has stay in it. */
  #dissolve(group: Group): void {
    const { name, subject } = group;
    const groups = this.#groupsOf(subject);
    if (groups.get(name) !== group) return;
    groups.delete(name);
    for (const topic of 'topics' in subject ? subject.topics : []) {
      const waiting = this.#byTopic.get(topic);
      waiting?.delete(group);
      if (waiting?.size === 0) this.#byTopic.delete(topic);
    }
    if (groups !== this.#trees) return;
    const left = (this.#treeLengths.get(name.length) ?? 0) - 1;
    if (left > 0) this.#treeLengths.set(name.length, left);
    else this.#treeLengths.delete(name.length);
  }

  /** Whoever comes after this has seen the change, and goes into a new group. */
  #wake(changes: readonly Changed[] | 'all'): void {
    if (this.#size === 0) return;
    for (const group of changes === 'all' ? this.#groups() : this.#touched(changes)) {
      this.#dissolve(group);
      this.#woken.push(group);
    }
    this.#scheduleAnswers();
  }

  #scheduleAnswers(): void {
    if (this.#woken.length === 0 || this.#scheduled !== undefined) return;
    this.#scheduled = setImmediate(() => this.#answerSome());
  }

  /** Between two of these, requests are read and writes are acknowledged. */
  #answerSome(): void {
    this.#scheduled = undefined;
    let left = ANSWERS_AT_ONCE;
    for (let group = this.#woken[0]; group !== undefined; group = this.#woken[0]) {
      for (const parked of group.parked) {
        if (left-- === 0) break;
        this.#answer(parked, true);
      }
      if (group.parked.size > 0) break;
      this.#woken.shift();
    }
    this.#scheduleAnswers();
  }

  #groups(): Group[] {
    return [this.#keys, this.#trees, this.#topics].flatMap((groups) => [...groups.values()]);
  }

  #touched(changes: readonly Changed[]): ReadonlySet<Group> {
    const touched = new Set<Group>();
    for (const { family, key, removed } of changes) {
      if (family === TOPIC) {
        for (const group of this.#byTopic.get(key) ?? []) touched.add(group);
      } else if (family === KV) {
        this.#collectAbove(key, touched);
        if (removed === undefined) this.#collectRecords([key], touched);
        else this.#collectBelow(key, removed, touched);
      }
    }
    return touched;
  }

  #collectRecords(keys: readonly string[], touched: Set<Group>): void {
    if (this.#keys.size === 0) return;
    for (const key of keys) {
      const group = this.#keys.get(key);
      if (group !== undefined) touched.add(group);
    }
  }

  /** Who waits for a prefix of the key. */
  #collectAbove(key: string, touched: Set<Group>): void {
    for (const length of this.#treeLengths.keys()) {
      if (length > key.length) continue;
      const tree = this.#trees.get(key.slice(0, length));
      if (tree !== undefined) touched.add(tree);
    }
  }

  /** Who waits for what was below a prefix that was removed. */
  #collectBelow(prefix: string, removed: readonly string[], touched: Set<Group>): void {
    for (const group of this.#trees.values()) {
      if (group.name.startsWith(prefix) && someUnder(removed, group.name)) touched.add(group);
    }
    this.#collectRecords(removed, touched);
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
