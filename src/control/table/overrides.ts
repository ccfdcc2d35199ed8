// What people and releases want of the servers, by upstream: also of those that the config does not have at
// present, so that a word about a server outlives a change of the file.

import { isDeepStrictEqual } from 'node:util';
import type { Admin } from '../../model.ts';
import type { Override } from '../../snapshot.ts';

export class Overrides {
  readonly #upstreams = new Map<string, Map<string, Admin>>();

  constructor(overrides: readonly Override[]) {
    for (const { upstream, server, admin } of overrides) this.of(upstream).set(server, admin);
  }

  /** Live; changed by `set` alone. */
  of(upstream: string): Map<string, Admin> {
    const known = this.#upstreams.get(upstream) ?? new Map<string, Admin>();
    this.#upstreams.set(upstream, known);
    return known;
  }

  /** Replaces all of an upstream. Returns the servers of which another word holds now. */
  set(upstream: string, next: ReadonlyMap<string, Admin>): Set<string> {
    const overrides = this.of(upstream);
    const ids = new Set([...overrides.keys(), ...next.keys()]);
    for (const id of ids) if (isDeepStrictEqual(overrides.get(id), next.get(id))) ids.delete(id);
    for (const id of ids) {
      const admin = next.get(id);
      if (admin === undefined) overrides.delete(id);
      else overrides.set(id, admin);
    }
    return ids;
  }

  all(): Override[] {
    return [...this.#upstreams].flatMap(([upstream, overrides]) =>
      [...overrides].map(([server, admin]) => ({ upstream, server, admin })),
    );
  }
}
