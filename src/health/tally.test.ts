// Rise and fall as a table: probes in, verdicts out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeOutcome } from './probe.ts';
import { count, NO_TALLY, type Tally } from './tally.ts';

/** p, f, v = pass, fail, void; u, d, ? = up, down, unknown after each. */
const CASES: readonly {
  readonly rise: number;
  readonly fall: number;
  readonly probes: string;
  readonly verdicts: string;
}[] = [
  { rise: 2, fall: 3, probes: 'ppfvffpp', verdicts: '?uuuuddu' },
  { rise: 1, fall: 1, probes: 'pfpf', verdicts: 'udud' },
  { rise: 2, fall: 3, probes: 'fffpfpp', verdicts: '??ddddu' },
  { rise: 2, fall: 3, probes: 'pfpfpf', verdicts: '??????' },
  { rise: 2, fall: 2, probes: 'vvvpvp', verdicts: '?????u' },
];

const OUTCOMES: Readonly<Record<string, ProbeOutcome>> = { p: 'pass', f: 'fail', v: 'void' };
const LETTERS = { up: 'u', down: 'd', unknown: '?' };

for (const { rise, fall, probes, verdicts } of CASES) {
  test(`rise ${rise}, fall ${fall}: ${probes} gives ${verdicts}`, () => {
    let tally: Tally = NO_TALLY;
    let seen = '';
    for (const probe of probes) {
      tally = count(tally, OUTCOMES[probe] ?? 'void', { rise, fall });
      assert.ok(tally.riseCount === 0 || tally.fallCount === 0, 'one of the counts is 0');
      seen += LETTERS[tally.checks];
    }
    assert.equal(seen, verdicts);
  });
}
