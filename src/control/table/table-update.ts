// What a worker is sent of the table.

import type { OrderedMap } from '../../base/ordered-map.ts';
import type { UpstreamConfig } from '../../config.ts';
import type { TableUpdate, UpstreamChange, UpstreamState } from '../../model.ts';
import type { TableChanges } from '../../workers.ts';
import { type Member, upstreamState } from './members.ts';

type Known = { readonly config: UpstreamConfig; readonly members: OrderedMap<string, Member> };

/** `changes`: these alone; undefined: all. */
export function tableUpdate(
  generation: number,
  known: ReadonlyMap<string, Known>,
  changes: TableChanges | undefined,
): TableUpdate {
  const upstreams: UpstreamState[] = [];
  const changed: UpstreamChange[] = [];
  for (const { config, members } of known.values()) {
    const servers = changes === undefined ? 'all' : changes.get(config.name);
    if (servers === 'all') upstreams.push(upstreamState(config, members));
    else if (servers !== undefined) {
      const states = [...servers].flatMap((id) => members.get(id)?.state ?? []);
      const places = states.map(({ id }) => members.placeOf(id));
      const left = [...servers].filter((id) => !members.has(id));
      changed.push({ name: config.name, servers: states, places, left });
    }
  }
  const removed = [...(changes?.keys() ?? [])].filter((name) => !known.has(name));
  return { generation, upstreams, changed, removed };
}
