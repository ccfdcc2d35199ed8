// The capacity guard: may this server be taken out? Judged on the control plane's own view (intent,
// verdicts, ejections that workers reported), in the same turn of the event loop as the write.

import { SluiceError } from '../base/errors.ts';
import { type Eligibility, isCapacity } from '../model.ts';
import type { WorkerFigures } from '../workers.ts';
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
};

/** @throws guard_refused */
export function checkGuard(question: GuardQuestion): void {
  const { upstream, server, keepEligible, figures } = question;
  let eligible = 0;
  const out: { readonly id: string; readonly eligibility: Eligibility }[] = [];
  for (const member of question.members) {
    if (member.state.id === server) continue;
    const eligibility = memberEligibility(upstream, member, figures);
    if (isCapacity(eligibility)) eligible += 1;
    else out.push({ id: member.state.id, eligibility });
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
