// What the page of a release makes of a journal. Records as real releases write them, in short: second, kind,
// instance, step, and JSON. (test/dashboard-release.test.ts looks at real ones.)

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordsOf } from './records.ts';
import { focusOf, outTimes, type Story, stepStates, storyOf } from './story.ts';

const STEPS = ['guard', 'drain', 'stop', 'start', 'check', 'admit'];
const PLAN = `0 plan - - ${JSON.stringify({
  plan: {
    version: 'v2',
    from: ['v1'],
    lastTookMs: 5000,
    instances: ['a', 'b', 'c'].map((instance) => ({
      ...{ instance, from: 'v1', action: instance === 'c' ? 'keep' : 'release', why: '' },
      steps: STEPS.map((kind) => ({ kind })),
    })),
  },
})}`;
const DOWN = ['1 intent a drain', '2 done a drain {"cut":0}', '2 intent a stop', '3 done a stop'];
const UP = ['3 intent a start', '4 done a start', '4 intent a check', '6 done a check'];
const IN = ['6 intent a admit', '7 done a admit'];

/** `seconds kind instance step data`; `-` is nothing. */
function told(lines: readonly string[], isRunning = false): Story {
  const records = lines.map((line, seq) => {
    const [, at = '', kind = '', instance = '', step = '', data = '{}'] =
      /^(\S+) (\S+) (\S+) (\S+)(?: (.*))?$/.exec(line) ?? [];
    const ts = at === 'then' ? at : new Date(Number(at) * 1000).toISOString();
    const word = (text: string): string => (text === '-' ? '' : text);
    return [seq, { ts, kind, instance: word(instance), step: word(step), fence: 1, data }] as const;
  });
  return storyOf(recordsOf(Object.fromEntries(records)), isRunning);
}

function lane(story: Story, instance: string) {
  const found = story.lanes.find((one) => one.instance === instance);
  assert(found !== undefined);
  return found;
}

function outcomes(story: Story): string {
  return story.lanes.map(({ instance, outcome }) => `${instance} ${outcome}`).join(', ');
}

test('a step that has begun and is not over runs, and its instance is looked at', () => {
  const story = told([PLAN, ...DOWN, '3 intent a start'], true);
  assert.equal(outcomes(story), 'a running, b waiting, c kept');
  const bars = lane(story, 'a').bars.map(({ step, state, fromMs, toMs }) =>
    [step, state, fromMs, toMs].join(' '),
  );
  assert.deepEqual(bars, [
    'drain done 1000 2000',
    'stop done 2000 3000',
    'start running 3000 Infinity',
  ]);
  assert.equal(focusOf(story)?.instance, 'a');
  assert.deepEqual(
    stepStates(lane(story, 'a')).map(({ step, state }) => `${step} ${state}`),
    [
      ...['guard planned', 'drain done', 'stop done'],
      ...['start running', 'check planned', 'admit planned'],
    ],
  );
  assert.deepEqual([story.from, story.lastTookMs], [['v1'], 5000]);
});

test('an instance is out from its drain until it is admitted', () => {
  const out = (lines: readonly string[]) => outTimes(lane(told([PLAN, ...lines], true), 'a'));
  assert.deepEqual(out([...DOWN, ...UP, ...IN]), [{ fromMs: 1000, toMs: 7000 }]);
  assert.deepEqual(out(DOWN), [{ fromMs: 1000, toMs: Infinity }]);
  assert.deepEqual(out([]), []);
});

test('between two instances nothing runs, and the one that is through is released', () => {
  const story = told([PLAN, ...DOWN, ...UP, ...IN], true);
  assert.equal(outcomes(story), 'a released, b waiting, c kept');
  assert.equal(outcomes(told([PLAN, ...DOWN, ...UP], true)), 'a running, b waiting, c kept');
});

const FAILED = [
  ...[PLAN, ...DOWN, '3 intent a start', '4 done a start', '4 intent a check'],
  '6 failed a check {"revert":false,"code":"release_failed","reason":"exited with code 1"}',
];
const BACK = [
  ...['6 intent a stop {"revert":true}', '7 done a stop {"revert":true}'],
  ...['7 intent a start {"revert":true}', '8 done a start {"revert":true}'],
];
const ADMITTED = ['8 intent a admit {"revert":true}', '9 done a admit {"revert":true}'];

test('what has failed is told with its reason, and that it was brought back', () => {
  const during = told([...FAILED, ...BACK], true);
  assert.equal(outcomes(during), 'a running, b waiting, c kept');
  const { failure, ...story } = told([
    ...[...FAILED, ...BACK, ...ADMITTED],
    '9 end - - {"outcome":"failed","receipt":{"requests":3},"next":["fix it"],"evidence":["no file"]}',
  ]);
  assert.deepEqual(failure, {
    ...{ instance: 'a', step: 'check', atMs: 6000 },
    ...{ reason: 'exited with code 1', revertReason: '' },
  });
  assert.equal(outcomes({ failure, ...story }), 'a reverted, b untouched, c kept');
  assert.equal(focusOf({ failure, ...story })?.instance, 'a');
  assert.deepEqual(story.receipt, { requests: 3 });
  assert.deepEqual([story.next, story.evidence], [['fix it'], ['no file']]);
  const shown = stepStates(lane({ failure, ...story }, 'a'));
  assert.deepEqual(
    shown.filter(({ state }) => state === 'failed').map(({ step }) => step),
    ['check'],
  );
  assert.equal(shown.filter(({ revert }) => revert).length, 3);
});

test('an old version that does not come back either is told, too', () => {
  const story = told([
    ...[...FAILED, ...BACK, '8 intent a check {"revert":true}'],
    ...['9 failed a check {"revert":true,"reason":"no answer"}', '9 end - - {"outcome":"failed"}'],
  ]);
  assert.equal(story.failure?.revertReason, 'no answer');
  assert.equal(outcomes(story), 'a failed, b untouched, c kept');
});

test('what its end says of an instance is what counts', () => {
  const end = '9 end - - {"instances":[{"instance":"a","outcome":"parked","note":"no way back"}]}';
  const { outcome, note } = lane(told([...FAILED, end]), 'a');
  assert.deepEqual([outcome, note], ['parked', 'no way back']);
});

test('a runner that is gone leaves a step that was cut off; who goes on does it again', () => {
  const gone = told([PLAN, ...DOWN, '3 intent a start', '3 note a - {}'], false);
  assert.equal(lane(gone, 'a').bars.at(-1)?.state, 'lost');
  assert.equal(lane(gone, 'a').bars.at(-1)?.toMs, 3000);
  assert.equal(outcomes(gone), 'a stuck, b waiting, c kept');
  const again = told(
    [PLAN, ...DOWN, '3 intent a start', '30 resume - - {}', PLAN, '31 intent a start'],
    true,
  );
  const bars = lane(again, 'a').bars.map(({ step, state, toMs }) => `${step} ${state} ${toMs}`);
  assert.deepEqual(bars.slice(-2), ['start lost 30000', 'start running Infinity']);
  assert.equal(outcomes(again), 'a running, b waiting, c kept');
});

test('a pause holds until somebody says to go on, and an approval is a bar of the whole release', () => {
  const pause = '1 command - - {"command":"pause","by":"user:ann","why":"lunch"}';
  assert.deepEqual(told([PLAN, pause], true).paused, { by: 'user:ann', why: 'lunch' });
  const resume = '2 command - - {"command":"resume","by":"user:ann","why":""}';
  const abort = '3 command - - {"command":"abort","by":"user:ann","why":""}';
  assert.equal(told([PLAN, pause, resume, abort], true).paused, undefined);
  assert.notEqual(told([PLAN, pause, abort], true).paused, undefined);
  const { whole, lanes } = told([PLAN, '1 intent - approval {"before":"first"}'], true);
  assert.deepEqual(
    whole.map(({ step, state, facts }) => `${step} ${state} ${facts}`),
    ['approval running before=first'],
  );
  assert.equal(lanes.length, 3);
});

test('a journal that says strange things is shown as far as it can be', () => {
  const strange = [
    ...['0 plan - - {"plan":{"instances":[null,7,{"instance":{"a":1}}],"from":"v1"}}'],
    ...['1 done x check', '2 intent x check [1]', '3 failed x check null', 'then intent x start'],
    ...['4 end - - {"receipt":null,"instances":3,"next":{}}', '5 intent y drain nonsense'],
  ];
  const story = told(strange);
  assert.equal(outcomes(story), 'x failed, y stuck');
  assert.deepEqual([story.from, story.next, story.receipt], [[], [], undefined]);
});
