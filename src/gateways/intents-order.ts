// Which of two documents of intents holds: what is known here, or what the registry shows now. Normally the
// registry does. But records get lost, and old copies are put back, under indexes that go on rising: then
// an index says nothing, and a gateway that takes the old for the new gives servers back, or takes them out,
// against the last word. So each document counts the words that its writer knew.
//
//   known      shown               holds
//   7          8                   shown: somebody who knew all of this has spoken
//   7          7, the same servers shown: somebody wrote it again after it was lost
//   7          5                   known: it is an old copy, or of a gateway that had not heard the last words
//   7          7, others           both: the stricter word of each server
//   7          1, another line     both: of a gateway that knew nothing, as after a loss
//   7          0                   by index: an older program does not count

import { READY, stricterAdmin } from '../model.ts';
import type { Intent } from './documents.ts';
import type { SharedIntents } from './shared-state.ts';

export type Holding = {
  readonly servers: SharedIntents['servers'];
  readonly count: number;
  readonly line: string;
  /** The registry does not say this: it is to be written. */
  readonly mustWrite: boolean;
};

export function whatHolds(known: SharedIntents | undefined, shown: SharedIntents): Holding {
  const { servers, line } = shown;
  const takes = (count: number): Holding => ({ servers, line, count, mustWrite: false });
  if (known === undefined) return takes(shown.count);
  if (known.count === 0 || shown.count === 0) {
    const count = Math.max(known.count, shown.count);
    return shown.modifyIndex < known.modifyIndex
      ? { servers: known.servers, count, line: known.line, mustWrite: !isSame(known, shown) }
      : takes(count);
  }
  if (shown.count > known.count || isSame(known, shown)) {
    return takes(Math.max(known.count, shown.count));
  }
  if (shown.line === known.line && shown.count < known.count) {
    return { ...known, mustWrite: true };
  }
  const both = union(known.servers, servers);
  return { servers: both, line: known.line, count: known.count + 1, mustWrite: true };
}

function isSame(one: SharedIntents, two: SharedIntents): boolean {
  if (one.token === two.token) return true;
  const isIn = ([id, { admin }]: [string, Intent]): boolean => {
    const other = two.servers.get(id)?.admin;
    return other?.state === admin.state && other.owner === admin.owner;
  };
  return one.servers.size === two.servers.size && [...one.servers].every(isIn);
}

function union(
  one: SharedIntents['servers'],
  two: SharedIntents['servers'],
): SharedIntents['servers'] {
  const both = new Map([...two, ...one]);
  for (const [id, other] of two) {
    const admin = one.get(id)?.admin ?? READY;
    if (stricterAdmin(other.admin, admin) !== admin) both.set(id, other);
  }
  return both;
}
