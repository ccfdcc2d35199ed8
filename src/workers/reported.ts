// Servers of which a worker told something since somebody last asked.

import type { WorkerFigures } from './figures.ts';
import type { UpstreamReport } from './protocol.ts';

export class ReportedServers {
  #reported = new Map<string, Set<string>>();

  addReport(upstreams: readonly UpstreamReport[]): void {
    for (const { name, servers } of upstreams) {
      if (servers.length > 0) {
        const ids = servers.map(({ id }) => id);
        this.add(name, ids);
      }
    }
  }

  add(upstream: string, servers: Iterable<string>): void {
    const known = this.#reported.get(upstream) ?? new Set<string>();
    for (const id of servers) known.add(id);
    this.#reported.set(upstream, known);
  }

  addAll({ upstreams }: Pick<WorkerFigures, 'upstreams'>): void {
    for (const [name, { servers }] of upstreams) this.add(name, servers.keys());
  }

  /** By upstream; they are forgotten. */
  take(): ReadonlyMap<string, ReadonlySet<string>> {
    const taken = this.#reported;
    this.#reported = new Map();
    return taken;
  }
}
