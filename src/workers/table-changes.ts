// Which servers of which upstreams have changed: what the table tells the workers' links, and what
// these gather while a worker has not acknowledged yet.

/** Ids of listed servers, or the whole list: somebody joined, left, or very many changed. */
export type ServersChanged = ReadonlySet<string> | 'all';

/** What has changed of each upstream. */
export type TableChanges = ReadonlyMap<string, ServersChanged>;

/** For more ids than this the whole list is as cheap. */
const IDS_MAX = 256;

/** Gathers changes. When the whole list has changed, single servers are no longer noted. */
export class ChangedServers {
  readonly #upstreams = new Map<string, Set<string> | 'all'>();

  get isEmpty(): boolean {
    return this.#upstreams.size === 0;
  }

  add(upstream: string, servers: ServersChanged): void {
    const known = this.#upstreams.get(upstream);
    if (known === 'all') return;
    const ids = known ?? new Set<string>();
    if (servers !== 'all') for (const id of servers) ids.add(id);
    this.#upstreams.set(upstream, servers === 'all' || ids.size > IDS_MAX ? 'all' : ids);
  }

  addAll(changes: TableChanges): void {
    for (const [upstream, servers] of changes) this.add(upstream, servers);
  }

  /** Gives out what was gathered and begins anew. */
  take(): TableChanges {
    const taken = new Map(this.#upstreams);
    this.#upstreams.clear();
    return taken;
  }
}
