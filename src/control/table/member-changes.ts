// What changed between two lists of members, as lines for the log: who joined, who left, whom the
// registry took out or put back. What operators do is logged where they ask for it.

import { parseOwner } from '../../model.ts';
import type { Member } from './members.ts';

/** The most ids in one line. Of more than these, only the number is said. */
const IDS_MAX = 10;

export type ChangeLine = {
  readonly message: string;
  readonly fields: { readonly count: number; readonly servers: readonly string[] };
};

export function describeChanges(
  last: ReadonlyMap<string, Member>,
  next: ReadonlyMap<string, Member>,
): ChangeLine[] {
  const joined: string[] = [];
  const down: string[] = [];
  const back: string[] = [];
  for (const [id, member] of next) {
    const before = last.get(id);
    if (before === undefined) joined.push(id);
    else if (!isDown(before) && isDown(member)) down.push(id);
    else if (isDown(before) && member.admin.state === 'ready') back.push(id);
  }
  const left = [...last.keys()].filter((id) => !next.has(id));
  return [
    line('servers joined', joined),
    line('servers left', left),
    line('servers set down in the registry', down),
    line('servers no longer down in the registry', back),
  ].filter(({ fields }) => fields.count > 0);
}

function isDown(member: Member): boolean {
  return parseOwner(member.admin.owner).kind === 'registry';
}

function line(message: string, ids: readonly string[]): ChangeLine {
  return { message, fields: { count: ids.length, servers: ids.slice(0, IDS_MAX) } };
}
