// The lists of a membership with a few changes: who stays, joins or leaves, each in the place that the order of the
// keys says. The lists before stay as they are. What it cannot say surely it refuses, and then everything is read.

import type { Instance, Membership } from './instance.ts';

export class ListChanges {
  /** Those that are other than before. */
  readonly lists = new Map<string, Instance[]>();
  readonly #last: Membership;
  /** The key of each listed instance, by service and id. */
  readonly #owners: Map<string, string>;
  readonly #newOwners = new Map<string, string | undefined>();

  constructor(last: Membership, owners: Map<string, string>) {
    this.#last = last;
    this.#owners = owners;
  }

  stays(before: Instance | undefined, after: Instance | undefined): boolean {
    if (before === undefined || after === undefined) return false;
    const list = this.#listOf(after.service);
    // Another record of the same server counts instead of this one.
    const place = list?.indexOf(before) ?? -1;
    if (list === undefined || place < 0) return false;
    list[place] = after;
    return true;
  }

  leaves(key: string, instance: Instance | undefined): boolean {
    // With something wrong, another record may count from now on.
    if (instance === undefined || this.#last.problems.length > 0) return false;
    const list = this.#listOf(instance.service);
    const place = list?.indexOf(instance) ?? -1;
    // A list that ends is no matter of one record.
    if (list === undefined || place < 0 || list.length === 1) return false;
    if (this.#ownerOf(instance) !== key) return false;
    list.splice(place, 1);
    this.#newOwners.set(nameOf(instance), undefined);
    return true;
  }

  joins(key: string, instance: Instance | undefined): boolean {
    if (instance === undefined || this.#last.problems.length > 0) return false;
    const list = this.#listOf(instance.service);
    if (list === undefined || this.#ownerOf(instance) !== undefined) return false;
    let low = 0;
    let high = list.length;
    const bytes = Buffer.from(key);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = list[middle];
      const owner = there === undefined ? undefined : this.#ownerOf(there);
      if (owner === undefined) return false;
      if (Buffer.compare(Buffer.from(owner), bytes) < 0) low = middle + 1;
      else high = middle;
    }
    list.splice(low, 0, instance);
    this.#newOwners.set(nameOf(instance), key);
    return true;
  }

  /** The changes are in force: whose records the instances are is remembered. */
  keepOwners(): void {
    for (const [name, key] of this.#newOwners) {
      if (key === undefined) this.#owners.delete(name);
      else this.#owners.set(name, key);
    }
  }

  #ownerOf(instance: Instance): string | undefined {
    const name = nameOf(instance);
    return this.#newOwners.has(name) ? this.#newOwners.get(name) : this.#owners.get(name);
  }

  /** Undefined: there is none, or none with servers. */
  #listOf(service: string): Instance[] | undefined {
    const known = this.lists.get(service);
    if (known !== undefined) return known;
    const last = this.#last.services.get(service);
    if (last === undefined || last.length === 0) return undefined;
    const list = [...last];
    this.lists.set(service, list);
    return list;
  }
}

function nameOf({ service, id }: Instance): string {
  return `${service}/${id}`;
}
