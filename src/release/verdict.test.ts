import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, minus, percentText, type Tally, tallyOf } from './verdict.ts';

const RULES = { minRequests: 20, minErrors: 3, errorShareMax: 0.01, vsPeers: 3 };

/** `52/120`: 52 errors of 120 requests. */
function tally(text: string): Tally {
  const [errors = 0, requests = 0] = text.split('/').map(Number);
  return { requests, errors };
}

/** The instance, its siblings, the old version before; the verdict when the window is over. */
const CASES: readonly (readonly [
  name: string,
  fresh: string,
  siblings: string,
  before: string,
  verdict: string,
  rules?: Partial<typeof RULES>,
])[] = [
  ['no traffic at all', '0/0', '0/0', '0/0', 'too_few'],
  ['all is well', '0/500', '0/500', '0/0', 'good'],
  ['one request short of a judgement', '19/19', '0/100', '0/0', 'too_few'],
  ['everything is wrong', '20/20', '0/100', '0/0', 'bad'],
  ['an error now and then is not yet a pattern', '2/20', '0/100', '0/0', 'good'],
  ['the smallest number of errors', '3/20', '0/100', '0/0', 'bad'],
  ['at the limit', '10/1000', '0/1000', '0/0', 'good'],
  ['over the limit', '11/1000', '0/1000', '0/0', 'bad'],
  ['over the limit, as the siblings are', '50/1000', '20/1000', '0/0', 'good'],
  ['three times as bad as they', '60/1000', '20/1000', '0/0', 'good'],
  ['more than three times', '61/1000', '20/1000', '0/0', 'bad'],
  ['they are so bad that nothing is worse', '1000/1000', '400/1000', '0/0', 'good'],
  ['too few siblings to compare with', '50/1000', '19/19', '0/0', 'bad'],
  ['then what the old version did before counts', '50/1000', '19/19', '20/1000', 'good'],
  ['but not beside siblings', '50/1000', '0/1000', '20/1000', 'bad'],
  ['and not where it did too little', '50/1000', '0/0', '19/19', 'bad'],
  ['not compared', '11/1000', '500/1000', '500/1000', 'bad', { vsPeers: 0 }],
  ['every error counts', '3/1000', '0/1000', '0/0', 'bad', { errorShareMax: 0 }],
  ['no limit', '1000/1000', '0/1000', '0/0', 'good', { errorShareMax: 1 }],
];

for (const [name, fresh, siblings, before, verdict, rules] of CASES) {
  test(`verdict: ${name}: ${fresh} beside ${siblings}, before ${before}: ${verdict}`, () => {
    const tallies = { fresh: tally(fresh), siblings: tally(siblings), before: tally(before) };
    const all = { ...RULES, ...rules };
    assert.equal(judge(tallies, all, true).kind, verdict);
    // Before the end of the window only what is bad is said.
    assert.equal(judge(tallies, all, false).kind, verdict === 'bad' ? 'bad' : 'wait');
  });
}

test('a verdict comes with the value, the limit, the samples and the peers', () => {
  const none = { requests: 0, errors: 0 };
  const fresh = tally('52/120');
  assert.deepEqual(judge({ fresh, siblings: tally('1/240'), before: none }, RULES, true).facts, {
    share: '43.3%',
    limit: '1.3%',
    requests: 120,
    errors: 52,
    peers: '0.4% (1 of 240)',
  });
  const before = judge({ fresh, siblings: none, before: tally('0/30') }, RULES, true).facts;
  assert.equal(before['peers'], '0% (0 of 30) before');
  assert.equal(judge({ fresh, siblings: none, before: none }, RULES, true).facts['peers'], 'none');
  assert.deepEqual(
    [percentText(0.0004), percentText(0.01), percentText(1)],
    ['0.04%', '1%', '100%'],
  );
});

/** Readings of a window of 30 s: second, the instance, its siblings. When it ends, and how. */
const COURSES: readonly (readonly [
  name: string,
  readings: readonly (readonly [second: number, fresh: string, siblings: string])[],
  end: string,
])[] = [
  [
    'bad from the start: as soon as there are enough requests',
    [
      [1, '9/9', '0/9'],
      [2, '19/19', '0/19'],
      [3, '29/29', '0/29'],
      [30, '99/99', '0/99'],
    ],
    'bad at 3 s',
  ],
  [
    'a good start is no reason to end it',
    [
      [1, '0/90', '0/90'],
      [20, '0/900', '0/900'],
      [25, '40/990', '0/990'],
      [30, '50/999', '0/999'],
    ],
    'bad at 25 s',
  ],
  [
    'errors that fade out',
    [
      [1, '2/10', '0/10'],
      [10, '2/100', '0/100'],
      [30, '2/300', '0/300'],
    ],
    'good at 30 s',
  ],
  [
    'a fault that hits all alike',
    [
      [5, '10/100', '9/100'],
      [30, '10/900', '9/900'],
    ],
    'good at 30 s',
  ],
  [
    'too little traffic',
    [
      [10, '1/3', '0/3'],
      [30, '2/8', '0/8'],
    ],
    'too_few at 30 s',
  ],
];

for (const [name, readings, end] of COURSES) {
  test(`course: ${name}: ${end}`, () => {
    for (const [second, fresh, siblings] of readings) {
      const tallies = { fresh: tally(fresh), siblings: tally(siblings), before: tally('0/0') };
      const { kind } = judge(tallies, RULES, second >= 30);
      if (kind === 'wait') continue;
      assert.equal(`${kind} at ${second} s`, end);
      return;
    }
    assert.fail('no verdict');
  });
}

test('requests are what was answered or failed, errors are 5xx and failures', () => {
  const answers = { '1xx': 0, '2xx': 5, '3xx': 0, '4xx': 2, '5xx': 3 };
  assert.deepEqual(tallyOf({ answered: 10, answers, failures: 4 }), { requests: 14, errors: 7 });
  assert.deepEqual(minus(tally('1/5'), tally('2/9')), { requests: 0, errors: 0 });
});
