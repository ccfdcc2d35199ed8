// The capacity guard: may this server be taken out? Judged on the control plane's own view (intent,
// verdicts, ejections that workers reported) in the same turn of the event loop as the write, and on what
// the other gateways of the registry say: a server counts where every one of them can use it.

import { SluiceError } from '../base/errors.ts';
import { type Eligibility, isCapacity } from '../model.ts';
import type { WorkerFigures } from '../workers.ts';
import type { CapacityElsewhere } from './others.ts';
import { memberEligibility } from './reported.ts';
import type { Member } from './table.ts';

/** The most servers that a refusal names. */
const NAMED_MAX = 5;

export type GuardQuestion = {
  readonly upstream: string;
  readonly server: string;
  /** How many other servers must stay eligible. */
  readonly keepEligible: number;
  readonly members: Iterable<Member>;
  readonly figures: readonly WorkerFigures[];
  /** The other live gateways that serve the upstream. */
  readonly elsewhere: readonly CapacityElsewhere[];
};

type Out = { readonly id: string; readonly eligibility: Eligibility | `out on ${string}` };

/** @throws guard_refused */
export function checkGuard(question: GuardQuestion): void {
  const { upstream, server, keepEligible, figures, elsewhere } = question;
  const unknown = elsewhere.filter(({ isKnown }) => !isKnown).map(({ gateway }) => gateway);
  if (unknown.length > 0) {
    throw new SluiceError(
      'guard_refused',
      `upstream "${upstream}": ${unknown.join(', ')} did not say which servers can be used there, so nobody knows whether enough would stay; see "sluice gateways"`,
      { details: { unknown } },
    );
  }
  let eligible = 0;
  const out: Out[] = [];
  for (const member of question.members) {
    const { id } = member.state;
    if (id === server) continue;
    const eligibility = memberEligibility(upstream, member, figures);
    const missing = elsewhere.find(({ counts }) => !counts(id));
    if (!isCapacity(eligibility)) out.push({ id, eligibility });
    else if (missing !== undefined) out.push({ id, eligibility: `out on ${missing.gateway}` });
    else eligible += 1;
  }
  // A gateway whose list is shorter than ours cannot use what it does not have.
  for (const { counts, capacity } of elsewhere) {
    eligible = Math.min(eligible, capacity - (counts(server) ? 1 : 0));
  }
  if (eligible >= keepEligible) return;
  const named = out.slice(0, NAMED_MAX).map(({ id, eligibility }) => `${id} ${eligibility}`);
  if (out.length > NAMED_MAX) named.push(`${out.length - NAMED_MAX} more`);
  const why = named.length === 0 ? 'there is no other server' : named.join(', ');
  throw new SluiceError(
    'guard_refused',
    `upstream "${upstream}": without ${server} ${eligible} eligible would stay, ${keepEligible} needed (${why}); bring others back first`,
    { details: { eligible, needed: keepEligible, out: out.slice(0, NAMED_MAX) } },
  );
}
