// Does what an instance answers speak against its version? Its share of errors, beside that of the
// instances on the old version. Pure: counts and time in, a verdict out.
//
//   requests  errors  siblings   limit (1 %, 3 times)   verdict
//        120      52    1 of 240  max(1 %, 3 × 0.4 %)    43.3 % is over 1.3 %: bad, at once
//        120       1    0 of 240  1 %                    fewer than min_errors: good at the end
//          9       9    0 of  12  1 %                    fewer than min_requests: too_few at the end
//        120      40   80 of 240  3 × 33 % = 100 %       they are as bad: good at the end

import type { VerifyConfig } from '../config.ts';
import type { ReceiptServer } from './control.ts';
import type { Facts } from './events.ts';

/** What one or several servers were asked, and how often that was an error. */
export type Tally = { readonly requests: number; readonly errors: number };

export type Tallies = {
  /** The instance, since its new version was started. */
  readonly fresh: Tally;
  /** The instances that still have the old version, in the same time. */
  readonly siblings: Tally;
  /** The old version since the release began: where there are too few siblings to compare with. */
  readonly before: Tally;
};

export type Verdict = {
  readonly kind: 'wait' | 'good' | 'bad' | 'too_few';
  /** Value, limit, samples, peers. */
  readonly facts: Facts;
};

type Rules = Omit<VerifyConfig, 'windowMs' | 'onTooFew'>;

export const NOTHING: Tally = { requests: 0, errors: 0 };

/** Requests that were settled: a client that left says nothing of the server. */
export function tallyOf(counts: Pick<ReceiptServer, 'answered' | 'answers' | 'failures'>): Tally {
  return {
    requests: counts.answered + counts.failures,
    errors: counts.answers['5xx'] + counts.failures,
  };
}

export function plus(a: Tally, b: Tally): Tally {
  return { requests: a.requests + b.requests, errors: a.errors + b.errors };
}

/** Never below 0: a gateway that could not be heard takes its counts away for a while. */
export function minus(a: Tally, b: Tally): Tally {
  return {
    requests: Math.max(0, a.requests - b.requests),
    errors: Math.max(0, a.errors - b.errors),
  };
}

/** `isOver`: the window is. Before that it is only said what is bad already. */
export function judge(tallies: Tallies, rules: Rules, isOver: boolean): Verdict {
  const { fresh } = tallies;
  const { peers, whose } = peersOf(tallies, rules);
  const limit = Math.min(1, Math.max(rules.errorShareMax, rules.vsPeers * shareOf(peers)));
  const share = shareOf(fresh);
  const facts: Facts = {
    share: percentText(share),
    limit: percentText(limit),
    requests: fresh.requests,
    errors: fresh.errors,
    peers: peers.requests === 0 ? 'none' : `${amountText(peers)}${whose}`,
  };
  const isTooFew = fresh.requests < rules.minRequests;
  const isBad = !isTooFew && fresh.errors >= rules.minErrors && share > limit;
  if (isBad) return { kind: 'bad', facts };
  if (!isOver) return { kind: 'wait', facts };
  return { kind: isTooFew ? 'too_few' : 'good', facts };
}

/** Whom it is compared with, if anybody. */
function peersOf(
  { siblings, before }: Tallies,
  { vsPeers, minRequests }: Rules,
): { readonly peers: Tally; readonly whose: string } {
  if (vsPeers === 0) return { peers: NOTHING, whose: '' };
  if (siblings.requests >= minRequests) return { peers: siblings, whose: '' };
  return before.requests >= minRequests
    ? { peers: before, whose: ' before' }
    : { peers: NOTHING, whose: '' };
}

/** `43.3% (52 of 120)`. */
export function amountText(tally: Tally): string {
  return `${percentText(shareOf(tally))} (${tally.errors} of ${tally.requests})`;
}

function shareOf({ requests, errors }: Tally): number {
  return requests === 0 ? 0 : errors / requests;
}

/** One digit behind the point, and more where that would be 0. */
export function percentText(share: number): string {
  const percent = share * 100;
  return `${Number(percent.toFixed(percent >= 0.1 ? 1 : 3))}%`;
}
