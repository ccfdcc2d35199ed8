import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_ANSWERS, NO_LASTING } from '../../../test/support/admin/documents.ts';
import { ALONE, PARTIAL } from '../../../test/support/base/scopes.ts';
import type { Plan, ReleaseEvent, ReleaseReceipt, ReleaseResult } from '../../release.ts';
import type { Paint } from '../output.ts';
import { eventLine, fields, Heartbeat } from './event-lines.ts';
import { fold, LiveScreen, liveLines, NOTHING_YET } from './live-view.ts';
import { planText } from './plan-view.ts';
import { resultText } from './result-view.ts';

const plain: Paint = (_, text) => text;
const A = '127.0.0.1:9001';
const B = '127.0.0.1:9002';

const CHECK = {
  kind: 'check',
  version: 'v2',
  path: '/ping',
  intervalMs: 1000,
  timeoutMs: 1000,
  rise: 2,
  deadlineMs: 120_000,
  stableMs: 0,
  versionHeader: 'x-app-version',
} as const;

const STEPS: Plan['instances'][number]['steps'] = [
  { kind: 'guard', need: 1, waitMs: 120_000, takeOver: '' },
  { kind: 'drain', timeoutMs: 30_000, onTimeout: 'proceed', need: 1 },
  { kind: 'stop', timeoutMs: 30_000, pid: 7 },
  {
    kind: 'start',
    version: 'v2',
    origin: 'config',
    argv: ['node', 'app.ts'],
    cwd: '/srv',
    environment: [],
  },
  CHECK,
  { kind: 'admit' },
];

const releasedPlan = (instance: string): Plan['instances'][number] => ({
  instance,
  from: 'v1',
  why: '',
  action: 'release',
  leaves: 1,
  serving: true,
  fallback: 'v1',
  noWayBack: '',
  steps: STEPS,
});

const PLAN: Plan = {
  service: 'app',
  upstream: 'app',
  version: 'v2',
  scope: ALONE,
  from: ['v1'],
  eligible: 2,
  servers: 2,
  need: 1,
  inFlight: 7,
  onFailure: 'revert',
  instances: [releasedPlan(A), releasedPlan(B)],
  problems: [],
  notes: [],
  lastTookMs: 192_000,
};

/** A release event of 12:04:09 and so many ms. */
function event(body: object, ms = 0): ReleaseEvent {
  const ts = new Date(Date.UTC(2026, 10, 23, 12, 4, 9) + ms).toISOString();
  // The tests below give whole bodies; spelling out the union again would only repeat it.
  return { v: 1, ts, service: 'app', release: 'r42', ...body } as ReleaseEvent;
}

const step = (name: string, phase: string, ms: number, data: object, at = ms): ReleaseEvent =>
  event({ type: 'step', instance: A, step: name, phase, ms, revert: false, data }, at);

test('plan: what happens to each instance, and the settings in force', () => {
  assert.equal(
    planText(PLAN, plain),
    `app  v1 -> v2      in place, 2 of 2 instances, one at a time
  batch 1    127.0.0.1:9001  v1  leaves 1/2 eligible (need 1)
             guard drain stop start check admit
  batch 2    127.0.0.1:9002  v1  leaves 1/2 eligible (need 1)
             guard drain stop start check admit
  drain      until acknowledged and nothing in flight, at most 30s, then stops anyway; now in flight: 7
  stop       its stop signal, after 30s KILL
  start      node app.ts   (in /srv)
  check      GET /ping every 1s, rise 2, deadline 2m, version from header x-app-version
  on failure revert: the failed instance goes back to v1, which served last; the others stay as they are
  estimate   3m12s, as the last release took
No problems found. Nothing was changed.
`,
  );
});

test('plan: what is looked at after an instance was put into traffic', () => {
  const rules = { windowMs: 30_000, minRequests: 20, minErrors: 3, errorShareMax: 0.01 };
  const verify = { kind: 'verify', ...rules, vsPeers: 3, onTooFew: 'pass', peers: [B] } as const;
  const check = { ...CHECK, stableMs: 5000 };
  const steps = [...STEPS.filter(({ kind }) => kind !== 'check'), check];
  const planOf = (vsPeers: number): string => {
    const step = { ...verify, vsPeers, need: 1, waitMs: 0 };
    return planText(
      { ...PLAN, instances: [{ ...releasedPlan(A), steps: [...steps, step] }] },
      plain,
    );
  };
  assert.match(planOf(3), / check +GET \/ping every 1s, rise 2, stable for 5s, deadline 2m, /);
  assert.match(
    planOf(3),
    / verify +30s of traffic each; at least 3 errors, over 1% and over 3 times that of the old version: failed; fewer than 20 requests: pass\n/,
  );
  assert.match(planOf(0), / over 1%: failed; /);
});

test('result: a release with nothing lost whose instances answer with errors says so first', () => {
  const doubts = [`${A} on v2: 100% (298 of 298) of its requests got a 5xx or no answer`];
  const result = { ...RESULT, outcome: 'succeeded', exit: 0, reason: '', doubts } as const;
  const text = resultText(result, plain);
  assert.match(text, / SUCCEEDED in 3\.2s, BUT 1 of 2 INSTANCES ANSWER WITH ERRORS\n/);
  assert.match(text, /\n {2}doubt {5}127\.0\.0\.1:9001 on v2: 100% /);
});

const PARKED = 'the failed instance stays out of the pool (parked); the others stay as they are';

for (const [name, fallbacks, said] of [
  [
    'one version',
    ['v1', 'v1'],
    'revert: the failed instance goes back to v1, which served last; the others stay as they are',
  ],
  [
    'two versions',
    ['v1', 'v0'],
    'revert: the failed instance goes back to the version that last served there (v1, v0); the others stay as they are',
  ],
  ['none known', ['', ''], `park: no version is known that served before, so ${PARKED}`],
  ['none left', ['', '!'], `park: there is no way back, so ${PARKED}`],
  [
    'one, and one where none is known',
    ['v1', ''],
    `revert: the failed instance goes back to v1, which served last, except ${B}, where none is known: parked, out of the pool; the others stay as they are`,
  ],
  [
    'one, and one without a way back',
    ['!', 'v1'],
    `revert: the failed instance goes back to v1, which served last, except ${A}, for which there is no way back: parked, out of the pool; the others stay as they are`,
  ],
] as const) {
  test(`plan: what a failure leads to (${name})`, () => {
    const instances = fallbacks.map((fallback, index) => ({
      ...releasedPlan(index === 0 ? A : B),
      fallback: fallback === '!' ? '' : fallback,
      noWayBack: fallback === '!' ? 'no way back to v1: the folder /srv/v1 is gone' : '',
    }));
    const kept = { ...releasedPlan('127.0.0.1:9003'), action: 'keep', fallback: 'v7' } as const;
    const failureOf = (plan: Plan): string | undefined =>
      /^ {2}on failure (.*)$/m.exec(planText(plan, plain))?.[1];
    assert.equal(failureOf({ ...PLAN, instances: [...instances, kept] }), said);
    assert.equal(failureOf({ ...PLAN, onFailure: 'park', instances }), `park: ${PARKED}`);
  });
}

test('plan: of a pool that is not known no requests are counted', () => {
  assert.doesNotMatch(planText({ ...PLAN, servers: 0, inFlight: 0 }, plain), /in flight:/);
});

test('plan: fits a terminal of 80 columns', () => {
  const message = 'the gateway does not answer; '.repeat(6);
  const plan: Plan = { ...PLAN, problems: [{ code: 'unreachable', message }], notes: [message] };
  const lines = planText(plan, plain, 80).split('\n');
  assert.deepEqual(
    lines.filter((line) => line.length > 80),
    [],
  );
});

test('plan: what is kept, skipped, taken over and in the way', () => {
  const plan: Plan = {
    ...PLAN,
    from: [],
    lastTookMs: 0,
    instances: [
      {
        ...releasedPlan(A),
        action: 'keep',
        why: 'already at v2',
        from: 'v2',
        leaves: null,
        steps: [],
      },
      {
        ...releasedPlan(B),
        action: 'skip',
        why: 'in maint by user:bob: disk',
        from: '',
        leaves: null,
        steps: [],
      },
    ],
    notes: ['release r41 to v2 died in check of 127.0.0.1:9001 (pid 70)'],
    problems: [
      { code: 'preflight_failed', message: 'instance x: port 1 is held by pid 77 (nginx)' },
    ],
  };
  assert.equal(
    planText(plan, plain),
    `app  nothing running -> v2      nothing to do
  keep       127.0.0.1:9001  v2  already at v2
  skip       127.0.0.1:9002  -   in maint by user:bob: disk
  note       release r41 to v2 died in check of 127.0.0.1:9001 (pid 70)
  problem    instance x: port 1 is held by pid 77 (nginx)
1 problem: a deploy would be refused. Nothing was changed.
`,
  );
});

test('lines: one per event, in UTC, with the fields in a fixed order', () => {
  const events = [
    event({ type: 'plan', plan: PLAN }),
    event({ type: 'note', instance: '', text: 'release r41 died' }),
    step('drain', 'start', 0, { deadline: '30s', on_timeout: 'proceed' }),
    step('drain', 'wait', 1000, { in_flight: 2 }),
    step('drain', 'done', 12_100, { cut: 0 }),
    step('check', 'failed', 5600, { reason: 'process exited with code 1' }),
    event({ type: 'traffic', eligible: 1, servers: 2, requests: 1, retried: 0, cut: 0, lost: 0 }),
    event({
      type: 'step',
      instance: A,
      step: 'stop',
      phase: 'done',
      ms: 5,
      revert: true,
      data: {},
    }),
    event({ type: 'instance', instance: A, outcome: 'released', ms: 19_000, text: '' }),
  ];
  assert.deepEqual(events.map(eventLine).filter(Boolean), [
    '12:04:09Z app r42 - plan     done   from=v1 to=v2 instances=2/2 need=1',
    '12:04:09Z app r42 - note     -      release r41 died',
    '12:04:09Z app r42 127.0.0.1:9001 drain    start  deadline=30s on_timeout=proceed',
    '12:04:21Z app r42 127.0.0.1:9001 drain    done   12.1s cut=0',
    '12:04:14Z app r42 127.0.0.1:9001 check    failed 5.6s reason="process exited with code 1"',
    '12:04:09Z app r42 127.0.0.1:9001 stop*    done   5ms',
    '12:04:09Z app r42 127.0.0.1:9001 instance released 19s',
  ]);
});

test('lines: fields are quoted where a blank, a quote or nothing would confuse', () => {
  const data = { a: 1, b: 'x y', c: '', d: 'say "x"', e: true };
  assert.equal(fields(data), 'a=1 b="x y" c="" d="say \\"x\\"" e=true');
});

test('lines: a heartbeat every 10 s says what is waited for', () => {
  const heartbeat = new Heartbeat(0);
  heartbeat.saw(step('drain', 'start', 0, { deadline: '30s' }), 0);
  assert.equal(heartbeat.line(9_999), '');
  heartbeat.saw(step('drain', 'wait', 9_000, { in_flight: 2 }), 9_000);
  assert.equal(
    heartbeat.line(10_000),
    '12:04:19Z app r42 127.0.0.1:9001 drain    wait   10s in_flight=2',
  );
  assert.equal(heartbeat.line(11_000), '');
  assert.equal(
    heartbeat.line(20_000),
    '12:04:29Z app r42 127.0.0.1:9001 drain    wait   20s in_flight=2',
  );
  heartbeat.saw(step('drain', 'done', 21_000, { cut: 0 }), 21_000);
  assert.equal(
    heartbeat.line(60_000),
    '12:05:09Z app r42 - release  wait   39s since the last step',
  );
  heartbeat.saw(event({ type: 'result', result: RESULT }), 61_000);
  assert.equal(heartbeat.line(90_000), '');
});

const prepare = (phase: string, ms: number, part = {}): ReleaseEvent =>
  event({
    type: 'prepare',
    part: 'build',
    subject: 'npm ci',
    phase,
    ms,
    text: '',
    data: {},
    ...part,
  });

test('lines: commands, what they print, and what is brought', () => {
  assert.equal(eventLine(prepare('start', 0)), '12:04:09Z app r42 - build    start  npm ci');
  assert.equal(eventLine(prepare('output', 5, { text: 'added 7' })), '  added 7');
  assert.equal(eventLine(prepare('done', 2000)), '12:04:09Z app r42 - build    done   2s npm ci');
  const upload = { part: 'upload', subject: 'this machine', data: { sent: '1.2 MB' } };
  assert.equal(eventLine(prepare('wait', 5, upload)), '');
  assert.equal(
    eventLine({ ...prepare('done', 2000, upload), release: '' }),
    '12:04:09Z app - - upload   done   2s this machine sent="1.2 MB"',
  );
  const failed = prepare('failed', 2000, { text: 'exited with code 1' });
  assert.equal(
    eventLine(failed),
    '12:04:09Z app r42 - build    failed 2s npm ci exited with code 1',
  );
  const heartbeat = new Heartbeat(0);
  heartbeat.saw(prepare('output', 1000, { text: 'x' }), 1000);
  assert.equal(heartbeat.line(11_000), '12:04:19Z app r42 - build    wait   11s npm ci');
});

test('live: the command that runs, below what it prints', () => {
  const start = Date.UTC(2026, 10, 23, 12, 4, 9);
  const begun = fold(NOTHING_YET, prepare('start', 0), plain);
  assert.deepEqual(begun.lines, []);
  assert.deepEqual(liveLines(begun.state, start + 3210, 100, plain), [
    '◐ build        3.2s  npm ci',
  ]);
  const printed = fold(begun.state, prepare('output', 5, { text: 'added 7' }), plain);
  assert.deepEqual(printed.lines, ['  added 7']);
  const over = fold(printed.state, prepare('done', 2000), plain);
  assert.deepEqual(over.lines, ['✔ build  npm ci  2s']);
  assert.deepEqual(liveLines(over.state, start, 100, plain), []);
});

test('lines: a sign of life before the first event, too', () => {
  const heartbeat = new Heartbeat(0);
  assert.equal(heartbeat.line(9_999), '');
  assert.equal(heartbeat.line(10_000), 'sluice: asks the instances and the gateway, for 10s');
});

test('live: the running step, who waits, the pool and the traffic, no wider than the terminal', () => {
  const traffic = {
    type: 'traffic',
    eligible: 1,
    servers: 2,
    requests: 1204,
    retried: 1,
    cut: 0,
    lost: 0,
    scope: ALONE,
  };
  let state = NOTHING_YET;
  const stayed: string[] = [];
  const start = Date.UTC(2026, 10, 23, 12, 4, 9);
  const feed = (...events: readonly ReleaseEvent[]): void => {
    for (const one of events) {
      const next = fold(state, one, plain);
      state = next.state;
      stayed.push(...next.lines);
    }
  };
  feed(
    event({ type: 'plan', plan: PLAN }),
    step('drain', 'start', 0, { in_flight: 2 }),
    event(traffic),
  );
  assert.deepEqual(liveLines(state, start + 3210, 100, plain), [
    '◐ 127.0.0.1:9001  drain         3.2s  in_flight=2',
    '  waiting  127.0.0.1:9002',
    '  pool 1/2 eligible (need 1)   release 3.2s   0 lost  0 cut  1 retried  1,204 requests',
  ]);
  assert.match(liveLines(state, start + 75_000, 79, plain).at(-1) ?? '', / 0 lost {2}0 cut /);
  assert(liveLines(state, start, 40, plain).every((line) => line.length <= 40));
  feed(event({ type: 'instance', instance: A, outcome: 'released', ms: 2100, text: '' }));
  assert.deepEqual(liveLines(state, start + 4000, 100, plain), [
    '  waiting  127.0.0.1:9002',
    '  pool 1/2 eligible (need 1)   release 4.0s   0 lost  0 cut  1 retried  1,204 requests',
  ]);
  feed(event({ type: 'result', result: RESULT }));
  assert.deepEqual(liveLines(state, start, 100, plain), []);
  assert.deepEqual(stayed, ['app r42  v1 -> v2', '✔ 127.0.0.1:9001  released      2.1s']);
});

test('live: the screen takes back exactly the lines that it drew', () => {
  const written: string[] = [];
  const screen = new LiveScreen((text) => written.push(text));
  screen.draw(['head'], ['a', 'b']);
  screen.draw([], ['c']);
  screen.draw(['done'], []);
  screen.draw([], []);
  assert.deepEqual(written, ['head\na\nb\n', '\x1b[2A\x1b[Jc\n', '\x1b[1A\x1b[Jdone\n']);
});

const TUNNELS = NO_LASTING;
const COUNTS = { answered: 9118, answers: NO_ANSWERS, retried: 0, cut: 0, lost: 0 };
const SERVER = { failures: 0, clientGone: 0, tunnels: TUNNELS, streams: NO_LASTING };
const RECEIPT: ReleaseReceipt = {
  id: 'x',
  complete: true,
  missing: '',
  requests: 9120,
  ...COUNTS,
  clientGone: 0,
  stillInFlight: 2,
  tunnels: TUNNELS,
  streams: NO_LASTING,
  longestGapMs: 120,
  workersLost: 0,
  servers: [
    { id: A, attempts: 4000, ...COUNTS, ...SERVER, answered: 3999 },
    { id: B, attempts: 5120, ...COUNTS, ...SERVER, answered: 5119 },
  ],
  gateways: [],
  scope: ALONE,
};

const RESULT: ReleaseResult = {
  release: 'r42',
  service: 'app',
  kind: 'deploy',
  version: 'v2',
  outcome: 'failed',
  code: 'release_failed',
  exit: 1,
  reason: 'check failed: process exited with code 1 after 108ms',
  evidence: ['last probe: connect ECONNREFUSED', 'app log: no config'],
  instances: [
    {
      instance: A,
      version: 'v1',
      stranger: '',
      inPool: true,
      pool: 'in pool',
      outcome: 'reverted',
      note: 'v2 failed',
      answers: null,
    },
    {
      instance: B,
      version: '',
      stranger: '',
      inPool: false,
      pool: 'out of the pool: down',
      outcome: 'untouched',
      note: '',
      answers: null,
    },
  ],
  receipt: RECEIPT,
  doubts: [],
  next: ['read the log', 'fix it and deploy again'],
  scope: ALONE,
  ms: 3200,
};

test('result: the reason first, then who serves what, the traffic and what to do next', () => {
  assert.equal(
    resultText(RESULT, plain),
    `
✖ check failed: process exited with code 1 after 108ms
    last probe: connect ECONNREFUSED
    app log: no config

Release r42 of app to v2 FAILED after 3.2s (exit 1)
  127.0.0.1:9001  v1               in pool                reverted: v2 failed
  127.0.0.1:9002  nothing answers  out of the pool: down  not touched
  traffic   9,120 requests in, 9,118 answered, 0 retried, 0 cut, 0 lost, 2 in flight now; longest gap 120ms
            127.0.0.1:9001  4,000 sent  3,999 answered  0 retried  0 cut  0 lost
            127.0.0.1:9002  5,120 sent  5,119 answered  0 retried  0 cut  0 lost
  gateway   pid 100 on web-1
  next      read the log
            fix it and deploy again
`,
  );
});

test('live: where a gateway was not heard the counts are said to be not of all', () => {
  const counts = { eligible: 1, servers: 2, requests: 4, retried: 0, cut: 0, lost: 0 };
  const traffic = event({ type: 'traffic', ...counts, scope: PARTIAL });
  const { state } = fold(
    fold(NOTHING_YET, event({ type: 'plan', plan: PLAN }), plain).state,
    traffic,
    plain,
  );
  assert.match(liveLines(state, 0, 120, plain).at(-1) ?? '', / 4 requests \(not all gateways\)$/);
});

test('result: where a gateway was not heard it says whose word it is, also where nothing was counted', () => {
  const line =
    /^ {2}gateway {3}pid 100 on web-1, pid 7 on web-2 only; not heard: pid 8 on web-3 \(silent since 12:00:01Z\)$/m;
  const result: ReleaseResult = { ...RESULT, scope: PARTIAL };
  assert.match(resultText(result, plain), line);
  assert.match(resultText({ ...result, receipt: null }, plain), line);
  assert.doesNotMatch(resultText({ ...RESULT, receipt: null }, plain), /gateway {3}/);
});

test('result: with several gateways each has a line, and says what of its counts is missing', () => {
  const part = { requests: 4560, ...COUNTS, clientGone: 0, stillInFlight: 0 };
  const gateways = [
    { name: 'pid 100 on web-1', ...part, missing: '' },
    { name: 'pid 7 on web-2', ...part, lost: 2, missing: 'silent, nothing after 12:00:01Z' },
  ];
  const text = resultText({ ...RESULT, receipt: { ...RECEIPT, gateways } }, plain);
  assert.match(text, /^ {12}pid 100 on web-1 +4,560 requests +9,118 answered .*0 lost$/m);
  assert.match(text, /^ {12}pid 7 on web-2 .*2 LOST +silent, nothing after 12:00:01Z$/m);
});

test('result: what was lost is loud, and a quiet release says so', () => {
  const lossy = { ...RESULT, receipt: { ...RECEIPT, lost: 3, cut: 1, servers: [] } };
  assert.match(resultText(lossy, plain), /, 1 CUT, 3 LOST, /);
  const none = { ...RECEIPT, requests: 0, answered: 0, stillInFlight: 0 };
  assert.match(resultText({ ...RESULT, receipt: none }, plain), /\n {2}traffic {3}none came in\n/);
});

test('result: answers that are not all 2xx are told apart, and those with 5xx are loud', () => {
  const answers = { ...NO_ANSWERS, '2xx': 4000, '4xx': 18, '5xx': 5100 };
  const server = { id: A, attempts: 5100, ...COUNTS, ...SERVER, answered: 5100 };
  const servers = [{ ...server, answers: { ...NO_ANSWERS, '5xx': 5100 } }];
  const text = resultText({ ...RESULT, receipt: { ...RECEIPT, answers, servers } }, plain);
  assert.match(text, / in, 9,118 answered \(4,000 2xx, 18 4xx, 5,100 5XX\), 0 retried/);
  assert.match(text, / 5,100 sent +5,100 answered \(5,100 5XX\) +0 retried/);
  const good = { ...RECEIPT, answers: { ...NO_ANSWERS, '2xx': 9118 } };
  assert.match(resultText({ ...RESULT, receipt: good }, plain), / 9,118 answered, /);
});

test('result: a note that is the reason itself is not said again in the table', () => {
  const [instance] = RESULT.instances;
  assert(instance !== undefined);
  const stuck = { ...instance, outcome: 'stuck', note: 'the gateway is away' } as const;
  const text = resultText({ ...RESULT, reason: stuck.note, instances: [stuck] }, plain);
  assert.equal(text.split(stuck.note).length, 2);
});

test('lines: a plan with problems is refused, not done', () => {
  const problems = [{ code: 'unreachable', message: 'away' }] as const;
  assert.match(eventLine(event({ type: 'plan', plan: { ...PLAN, problems } })), / plan +refused /);
});

test('result: tunnels have a line of their own, and those that were cut are loud', () => {
  const tunnels = { opened: 6, ended: 2, closed: 1, cut: 1, open: 2 };
  const streams = { opened: 3, ended: 1, closed: 2, cut: 0, open: 0 };
  const server = { id: A, attempts: 0, ...COUNTS, ...SERVER, answered: 0, tunnels, streams };
  const receipt = { ...RECEIPT, requests: 0, answered: 0, stillInFlight: 0, tunnels, streams };
  const text = resultText({ ...RESULT, receipt: { ...receipt, servers: [server] } }, plain);
  const said = '6 tunnels: 2 ended, 1 closed by the gateway, 1 CUT, 2 open';
  const more = '3 streams: 1 ended, 2 closed by the gateway, 0 cut, 0 open';
  assert.match(text, new RegExp(`\n {12}${said}\n {12}${more}\n`));
  assert.match(text, new RegExp(` 0 lost +${said}, ${more}\n`));
});

test('result: answers to requests from before the receipt are explained', () => {
  const before = { id: A, attempts: 4, ...COUNTS, ...SERVER, answered: 5 };
  const text = resultText({ ...RESULT, receipt: { ...RECEIPT, servers: [before] } }, plain);
  assert.match(text, / 4 sent {2}5 answered {2}.* 0 lost {2}\(some sent before\)$/m);
});

test('result: a count that ends before the release says so, also when it is zero', () => {
  const since = 'the gateway restarted, nothing is counted after 12:04:11Z';
  const cut = { ...RECEIPT, complete: false, missing: since };
  const line = `\n            INCOMPLETE: ${since}\n`;
  const text = resultText({ ...RESULT, receipt: cut }, plain);
  assert(text.includes(`2 in flight then; longest gap 120ms${line}`), text);
  const none = { ...cut, requests: 0, answered: 0, stillInFlight: 0 };
  assert(resultText({ ...RESULT, receipt: none }, plain).includes(`none came in${line}`));
});

test('result: another process on the port is no version', () => {
  const [first, second] = RESULT.instances;
  assert(first !== undefined && second !== undefined);
  const taken = { ...RESULT, instances: [first, { ...second, stranger: 'pid 70 (thief)' }] };
  assert.match(
    resultText(taken, plain),
    /127\.0\.0\.1:9002 {2}port held by pid 70 \(thief\) {2}out /,
  );
});

const UNTIL = '2026-11-23T13:04:09.000Z';
const approval = (phase: string, ms: number, part: object = {}): ReleaseEvent =>
  event(
    {
      ...{ type: 'approval', before: 'rest', phase, ms, until: UNTIL, by: '', why: '', reason: '' },
      ...part,
    },
    ms,
  );

test('approval: what a person has to do is said, again when nothing moves, and what came of it', () => {
  const wait = approval('wait', 0);
  const what = `before=rest until=${UNTIL} next="sluice approve app"`;
  assert.equal(eventLine(wait), `12:04:09Z app r42 - approval wait   ${what}`);
  const given = approval('given', 90_000, { by: 'user:bob', why: 'looks good' });
  const said = '1m30s before=rest by=user:bob why="looks good"';
  assert.equal(eventLine(given), `12:05:39Z app r42 - approval given  ${said}`);
  const missing = approval('missing', 90_000, { reason: 'not approved within 90s' });
  assert.match(eventLine(missing), / missing 1m30s before=rest reason="not approved within 90s"$/);
  const heartbeat = new Heartbeat(0);
  heartbeat.saw(wait, 0);
  assert.equal(heartbeat.line(10_000), `12:04:19Z app r42 - approval wait   10s ${what}`);
  heartbeat.saw(given, 11_000);
  assert.doesNotMatch(heartbeat.line(30_000), /approve/);
});

test('approval: a terminal shows it while it waits, and one line of it stays', () => {
  const begun = fold(NOTHING_YET, event({ type: 'plan', plan: PLAN }), plain).state;
  const waiting = fold(begun, approval('wait', 0), plain).state;
  const [row] = liveLines(waiting, Date.UTC(2026, 10, 23, 12, 4, 12), 120, plain);
  assert.match(row ?? '', /^◐ approval +3\.0s {2}sluice approve app {2}before=rest until=/);
  const given = fold(waiting, approval('given', 5000, { by: 'user:bob' }), plain);
  assert.deepEqual(given.lines, ['✔ approval  5s before=rest by=user:bob']);
  assert.doesNotMatch(liveLines(given.state, 0, 120, plain).join('\n'), /approve/);
});

test('plan: where it waits for a person is a step, and who is waited for is said', () => {
  const gate = { before: 'rest', timeoutMs: 3_600_000 } as const;
  const instances = [releasedPlan(A), { ...releasedPlan(B), approval: gate }];
  const text = planText({ ...PLAN, instances }, plain);
  assert.match(text, /9002 .*\n +approval guard drain stop start check admit\n/);
  assert.match(
    text,
    /\n {2}approval +before the rest: waits for "sluice approve app", at most 1h\n/,
  );
});

test('a rollback with nothing to do says how to reach an older version', () => {
  const done = { ...RESULT, outcome: 'unchanged' } as const;
  assert.match(
    resultText({ ...done, kind: 'rollback' }, plain),
    /nothing to do, that .*--to VERSION/,
  );
  assert.doesNotMatch(resultText({ ...done, kind: 'deploy' }, plain), /--to/);
});
