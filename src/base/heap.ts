// A binary heap whose items know where they sit, so that one can leave or move without a search. An
// item is in at most one heap at a time.

/** What the heap keeps on its items, and alone writes. */
export type Heaped = {
  /** Index in the heap; -1 = in none. */
  place: number;
};

export class Heap<Item extends Heaped> {
  readonly #items: Item[] = [];
  readonly #isBefore: (a: Item, b: Item) => boolean;

  /** `isBefore`: a strict order. After an item's order has changed, call `moved`. */
  constructor(isBefore: (a: Item, b: Item) => boolean) {
    this.#isBefore = isBefore;
  }

  get first(): Item | undefined {
    return this.#items[0];
  }

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    this.#rise(item, this.#items.length);
  }

  /** Nothing happens when it is in no heap. */
  remove(item: Item): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#set(last, place);
    this.moved(last);
  }

  moved(item: Item): void {
    this.#sink(item, item.place);
    this.#rise(item, item.place);
  }

  /** Put `item` at `place` or above, moving later ones down. */
  #rise(item: Item, place: number): void {
    let free = place;
    while (free > 0) {
      const parent = this.#items[(free - 1) >> 1];
      if (parent === undefined || !this.#isBefore(item, parent)) break;
      const above = parent.place;
      this.#set(parent, free);
      free = above;
    }
    this.#set(item, free);
  }

  /** Put `item` at `place` or below, moving earlier ones up. */
  #sink(item: Item, place: number): void {
    let free = place;
    for (;;) {
      const left = this.#items[2 * free + 1];
      const right = this.#items[2 * free + 2];
      const isRight = left !== undefined && right !== undefined && this.#isBefore(right, left);
      const child = isRight ? right : left;
      if (child === undefined || !this.#isBefore(child, item)) break;
      const below = child.place;
      this.#set(child, free);
      free = below;
    }
    this.#set(item, free);
  }

  #set(item: Item, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }
}
