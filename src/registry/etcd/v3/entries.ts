// The records of one prefix in the order of the bytes of their keys, as etcd lists them.

import type { KvEntry } from '../../record-store.ts';

export class Entries {
  #list: KvEntry[] = [];

  get size(): number {
    return this.#list.length;
  }

  /** In order already. */
  replace(list: readonly KvEntry[]): void {
    this.#list = [...list];
  }

  set(entry: KvEntry): void {
    const at = this.#position(entry.key);
    const isKnown = this.#list[at]?.key === entry.key;
    this.#list.splice(at, isKnown ? 1 : 0, entry);
  }

  delete(key: string): void {
    const at = this.#position(key);
    if (this.#list[at]?.key === key) this.#list.splice(at, 1);
  }

  copy(): readonly KvEntry[] {
    return [...this.#list];
  }

  /** The same records at the same revisions. */
  equals(list: readonly KvEntry[]): boolean {
    return (
      list.length === this.#list.length &&
      list.every(({ key, modifyIndex, createIndex }, at) => {
        const known = this.#list[at];
        return (
          known?.key === key &&
          known.modifyIndex === modifyIndex &&
          known.createIndex === createIndex
        );
      })
    );
  }

  /** Where the key is, or would be inserted. */
  #position(key: string): number {
    const bytes = Buffer.from(key);
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Buffer.compare(Buffer.from(this.#list[middle]?.key ?? ''), bytes) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
