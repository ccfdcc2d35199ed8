// A map in an order of its own: an entry can be put between two others, and knows its place. To put one in or to
// take one out moves the numbers of those behind it, which for ten thousand is microseconds.

type Entry<Key, Value> = { readonly key: Key; value: Value; place: number };

export class OrderedMap<Key, Value> implements ReadonlyMap<Key, Value> {
  readonly #byKey = new Map<Key, Entry<Key, Value>>();
  readonly #entries: Entry<Key, Value>[] = [];

  constructor(entries: Iterable<readonly [Key, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.#entries.length;
  }

  get(key: Key): Value | undefined {
    return this.#byKey.get(key)?.value;
  }

  has(key: Key): boolean {
    return this.#byKey.has(key);
  }

  /** -1: it is not there. */
  placeOf(key: Key): number {
    return this.#byKey.get(key)?.place ?? -1;
  }

  /** A new one goes to the end. */
  set(key: Key, value: Value): void {
    const known = this.#byKey.get(key);
    if (known === undefined) this.insert(this.#entries.length, key, value);
    else known.value = value;
  }

  /** One that is not there yet. */
  insert(place: number, key: Key, value: Value): void {
    const entry = { key, value, place };
    this.#byKey.set(key, entry);
    this.#entries.splice(place, 0, entry);
    this.#number(place);
  }

  delete(key: Key): boolean {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return false;
    this.#byKey.delete(key);
    this.#entries.splice(entry.place, 1);
    this.#number(entry.place);
    return true;
  }

  *keys(): MapIterator<Key> {
    for (const { key } of this.#entries) yield key;
  }

  *values(): MapIterator<Value> {
    for (const { value } of this.#entries) yield value;
  }

  *entries(): MapIterator<[Key, Value]> {
    for (const { key, value } of this.#entries) yield [key, value];
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries();
  }

  forEach(callback: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const { key, value } of this.#entries) callback(value, key, this);
  }

  #number(from: number): void {
    for (let place = from; place < this.#entries.length; place += 1) {
      const entry = this.#entries[place];
      if (entry !== undefined) entry.place = place;
    }
  }
}
