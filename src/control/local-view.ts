// What this gateway tells the others about one upstream: which of its servers take no requests here, and
// what is still in flight on them.

import type { ServerView, ViewDocument } from '../gateways.ts';
import { isCapacity, parseOwner } from '../model.ts';
import type { Fleet } from '../workers.ts';
import { memberEligibility } from './reported.ts';
import { inFlight, openLasting } from './status.ts';
import { type KnownUpstream, type Member, otherId } from './table.ts';

/** Taken out, known to be so by every worker, and nothing in flight. */
export function isIdle(
  upstream: string,
  member: Member,
  fleet: Pick<Fleet, 'isAcknowledged' | 'busy'>,
): boolean {
  const other = otherId(member.state);
  return (
    member.admin.state !== 'ready' &&
    fleet.isAcknowledged(member.adminGeneration) &&
    fleet.busy(upstream, member.state.id) === 0 &&
    // Requests that began when it had its other id.
    (other === undefined || fleet.busy(upstream, other) === 0)
  );
}

function sum(first: ServerView | undefined, second: ServerView): ServerView {
  if (first === undefined) return second;
  return {
    eligibility: first.eligibility,
    inFlight: first.inFlight + second.inFlight,
    tunnels: first.tunnels + second.tunnels,
    streams: first.streams + second.streams,
    idle: first.idle && second.idle,
    index: Math.min(first.index, second.index),
  };
}

export function isOutByRecord({ admin }: Member): boolean {
  return parseOwner(admin.owner).kind === 'registry';
}

/**
 * `token`: of the intents that every worker has in force. `indexOf`: how far a registry is in the members;
 * undefined: they are about to change.
 */
export function localView(
  { config: { name }, members }: KnownUpstream,
  fleet: Pick<Fleet, 'isAcknowledged' | 'busy' | 'figures'>,
  token: string,
  indexOf: (registry: string) => number | undefined,
): ViewDocument {
  const figures = fleet.figures();
  const out = new Map<string, ServerView>();
  let capacity = 0;
  for (const [id, member] of members) {
    const eligibility = memberEligibility(name, member, figures);
    if (isCapacity(eligibility)) {
      capacity += 1;
      continue;
    }
    const idle = isIdle(name, member, fleet);
    const view = {
      eligibility,
      inFlight: idle ? 0 : inFlight(name, id, figures),
      ...(idle ? { tunnels: 0, streams: 0 } : openLasting(name, id, figures)),
      idle,
      index: isOutByRecord(member) ? (indexOf(member.registry) ?? 0) : 0,
    };
    out.set(id, view);
    // Another gateway may have it by its other id: it does not see as many addresses of the name.
    const other = otherId(member.state);
    if (other !== undefined && !members.has(other)) out.set(other, sum(out.get(other), view));
  }
  return { token, capacity, out };
}
