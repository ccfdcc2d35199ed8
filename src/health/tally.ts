// Rise and fall: how single probes become a verdict. The counts of the check module: a pass raises
// one and clears the other, and the verdict flips when a count reaches its threshold. A void probe
// (ours was the fault) changes nothing. rise 2, fall 3:
//
// | probe   | pass    | pass | fail | void | fail | fail | pass | pass |
// | verdict | unknown | up   | up   | up   | up   | down | down | up   |

import type { Checks } from '../model.ts';
import type { ProbeOutcome } from './probe.ts';
import type { CheckSpec } from './spec.ts';

export type Tally = {
  readonly checks: Checks;
  readonly riseCount: number;
  readonly fallCount: number;
};

export const NO_TALLY: Tally = { checks: 'unknown', riseCount: 0, fallCount: 0 };

export function count(
  tally: Tally,
  outcome: ProbeOutcome,
  spec: Pick<CheckSpec, 'rise' | 'fall'>,
): Tally {
  switch (outcome) {
    case 'pass': {
      const riseCount = tally.riseCount + 1;
      return { checks: riseCount >= spec.rise ? 'up' : tally.checks, riseCount, fallCount: 0 };
    }
    case 'fail': {
      const fallCount = tally.fallCount + 1;
      return { checks: fallCount >= spec.fall ? 'down' : tally.checks, riseCount: 0, fallCount };
    }
    case 'void':
      return tally;
  }
}
