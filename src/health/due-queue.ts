// Who is due next: a binary heap that knows where each item sits, so that one that leaves is taken
// out at once and a busy churn of servers leaves nothing behind. One timer serves it, not one per
// server.

/** What the queue keeps on its items; the queue alone writes both fields. */
export type Due = {
  dueMs: number;
  /** Place in the heap; -1 = not queued. */
  place: number;
};

export class DueQueue<Item extends Due> {
  readonly #heap: Item[] = [];

  /** The item that is due first. */
  get first(): Item | undefined {
    return this.#heap[0];
  }

  /** Queue an item, or move it when it is queued already. */
  put(item: Item, dueMs: number): void {
    this.remove(item);
    item.dueMs = dueMs;
    this.#rise(item, this.#heap.length);
  }

  remove(item: Item): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === item) return;
    this.#sink(last, place);
    this.#rise(last, last.place);
  }

  /** Put `item` at `place` or above, moving later ones down. */
  #rise(item: Item, place: number): void {
    let free = place;
    while (free > 0) {
      const above = (free - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.dueMs <= item.dueMs) break;
      this.#set(parent, free);
      free = above;
    }
    this.#set(item, free);
  }

  /** Put `item` at `place` or below, moving earlier ones up. */
  #sink(item: Item, place: number): void {
    let free = place;
    for (;;) {
      const left = this.#heap[2 * free + 1];
      const right = this.#heap[2 * free + 2];
      const child =
        right !== undefined && left !== undefined && right.dueMs < left.dueMs ? right : left;
      if (child === undefined || child.dueMs >= item.dueMs) break;
      const below = child.place;
      this.#set(child, free);
      free = below;
    }
    this.#set(item, free);
  }

  #set(item: Item, place: number): void {
    this.#heap[place] = item;
    item.place = place;
  }
}
