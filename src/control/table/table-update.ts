// What a worker is sent of the table.

import type { TableUpdate, UpstreamChange, UpstreamState } from '../../model.ts';
import type { TableChanges } from '../../workers.ts';
import type { KnownUpstream } from '../table.ts';
import { upstreamState } from './members.ts';

/** `changes`: these alone; undefined: all. */
export function tableUpdate(
  generation: number,
  known: ReadonlyMap<string, KnownUpstream>,
  changes: TableChanges | undefined,
): TableUpdate {
  const upstreams: UpstreamState[] = [];
  const changed: UpstreamChange[] = [];
  for (const { config, members } of known.values()) {
    const servers = changes === undefined ? 'all' : changes.get(config.name);
    if (servers === 'all') upstreams.push(upstreamState(config, members));
    else if (servers !== undefined) {
      const states = [...servers].flatMap((id) => members.get(id)?.state ?? []);
      changed.push({ name: config.name, servers: states });
    }
  }
  const removed = [...(changes?.keys() ?? [])].filter((name) => !known.has(name));
  return { generation, upstreams, changed, removed };
}
