import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE, PARTIAL, TOGETHER } from '../../../test/support/base/scopes.ts';
import {
  drained,
  found,
  instance,
  launch,
  past,
  SERVICE,
  stopped,
  TO_V2,
} from '../../../test/support/release/surveys.ts';
import { type InstancePlan, type PlanOptions, planRelease, planRevert } from '../plan.ts';
import type { InstanceSurvey, Survey } from '../survey.ts';

/** `127.0.0.1:9001 guard(1) drain stop …` per instance, in the order of the plan. */
function shape(plans: readonly InstancePlan[]): string[] {
  return plans.map((plan) => {
    const steps = plan.steps.map((step) => {
      if (step.kind === 'guard')
        return `guard(${step.need ?? '-'}${step.takeOver && ` ${step.takeOver}`})`;
      return step.kind;
    });
    return [plan.instance.slice('127.0.0.1:'.length), plan.action, ...steps].join(' ');
  });
}

const ALL = 'drain stop start check admit';

const cases: readonly [
  string,
  readonly InstanceSurvey[],
  Partial<PlanOptions>,
  readonly string[],
][] = [
  [
    'rolls one after the other, each behind the guard',
    [instance(1), instance(2)],
    {},
    [`1 release guard(1) ${ALL}`, `2 release guard(1) ${ALL}`],
  ],
  [
    'three instances at 50 % need two',
    [instance(1), instance(2), instance(3)],
    {},
    [`1 release guard(2) ${ALL}`, `2 release guard(2) ${ALL}`, `3 release guard(2) ${ALL}`],
  ],
  [
    'a first deploy only starts, and asks nobody',
    [stopped(1), stopped(2)],
    {},
    ['1 release guard(-) start check admit', '2 release guard(-) start check admit'],
  ],
  [
    'what takes no traffic comes first and free of the guard',
    [instance(1), stopped(2)],
    {},
    ['2 release guard(-) start check admit', `1 release guard(1) ${ALL}`],
  ],
  [
    'what is at the version is kept',
    [instance(1, { version: 'v2' }), instance(2)],
    {},
    ['1 keep', `2 release guard(1) ${ALL}`],
  ],
  [
    'force restarts it all the same',
    [instance(1, { version: 'v2' }), instance(2)],
    { force: true },
    [`1 release guard(1) ${ALL}`, `2 release guard(1) ${ALL}`],
  ],
  [
    'at the version but not well is released again',
    [
      instance(1, {
        version: 'v2',
        answer: { ok: false, text: '503 in 1ms', version: 'v2', refused: false, isVoid: false },
      }),
      instance(2),
    ],
    {},
    [`1 release guard(1) ${ALL}`, `2 release guard(1) ${ALL}`],
  ],
  [
    'a server held by a person is skipped',
    [instance(1, { server: drained('127.0.0.1:1', 'user:alice') }), instance(2)],
    {},
    ['1 skip', `2 release guard(1) ${ALL}`],
  ],
  [
    'a server held by a release that nobody knows is skipped',
    [instance(1, { server: drained('127.0.0.1:1', 'release:r99') }), instance(2)],
    {},
    ['1 skip', `2 release guard(1) ${ALL}`],
  ],
  [
    'a drained server of a dead release is taken over',
    [instance(1), instance(2, { server: drained('127.0.0.1:2', 'release:r7'), left: 'r7' })],
    {},
    [`2 release guard(- release:r7) ${ALL}`, `1 release guard(1) ${ALL}`],
  ],
  [
    'a dead release had started the version and not admitted it: no second restart',
    [
      instance(1, { version: 'v2', server: drained('127.0.0.1:1', 'release:r7'), left: 'r7' }),
      instance(2),
    ],
    {},
    ['1 release guard(- release:r7) check admit', `2 release guard(1) ${ALL}`],
  ],
  [
    'a parked instance comes first',
    [
      instance(1),
      stopped(2, { server: drained('127.0.0.1:2', 'release:r7', 'maint'), left: 'r7' }),
    ],
    {},
    ['2 release guard(- release:r7) start check admit', `1 release guard(1) ${ALL}`],
  ],
  [
    'the last one may go when downtime is allowed',
    [instance(1)],
    { allowDowntime: true },
    [`1 release guard(0) ${ALL}`],
  ],
];

for (const [name, instances, options, expected] of cases) {
  test(`plan: ${name}`, () => {
    const plan = planRelease(SERVICE, found(instances), { ...TO_V2, ...options });
    assert.deepEqual(shape(plan.instances), expected);
    assert.deepEqual(plan.problems, []);
  });
}

test('with verify each instance is compared with those that still have the old version', () => {
  const verify = {
    ...{ windowMs: 30_000, minRequests: 20, minErrors: 3, errorShareMax: 0.01, vsPeers: 3 },
    onTooFew: 'pass',
  } as const;
  const peersIn = (list: readonly InstanceSurvey[], options = TO_V2): string[] =>
    planRelease({ ...SERVICE, verify }, found(list), options).instances.map((plan) => {
      const step = plan.steps.find(({ kind }) => kind === 'verify');
      const order = plan.steps.map(({ kind }) => kind).slice(-2);
      if (step?.kind !== 'verify') return plan.action;
      assert.deepEqual(order, ['admit', 'verify']);
      assert.equal(step.need, 2);
      return step.peers.map((id) => id.slice('127.0.0.1:'.length)).join(' ');
    });
  const three = [instance(1), instance(2), instance(3)];
  assert.deepEqual(peersIn(three), ['2 3', '3', '']);
  // What has the new version already may be as broken.
  const kept = [instance(1), instance(2, { version: 'v2' }), instance(3)];
  assert.deepEqual(peersIn(kept), ['3', 'keep', '']);
  assert.deepEqual(peersIn(kept, { ...TO_V2, force: true }), ['2 3', '3', '']);
  assert.deepEqual(peersIn(three, { ...TO_V2, kind: 'rollback' }), Array(3).fill('release'));
  const revert = planRevert(
    { ...SERVICE, verify },
    instance(1),
    { ...launch('v1'), argv: [], cwd: '/', environment: [] },
    7,
  );
  assert.equal(revert.at(-1)?.kind, 'admit');
});

test('plan: says how many servers stay eligible while each instance is out', () => {
  const plan = planRelease(SERVICE, found([instance(1), stopped(2), instance(3)]), TO_V2);
  assert.deepEqual(
    plan.instances.map(({ instance: id, leaves }) => [id, leaves]),
    [
      ['127.0.0.1:2', null],
      ['127.0.0.1:1', 2],
      ['127.0.0.1:3', 2],
    ],
  );
});

test('plan: holds no value of an environment variable', () => {
  const plan = planRelease(SERVICE, found([instance(1), instance(2)]), TO_V2);
  assert(!JSON.stringify(plan).includes('hush'));
  assert(JSON.stringify(plan).includes('SECRET'));
});

test('plan: the version that serves is the one that a revert brings back', () => {
  const proven = { process: null, proven: launch('v0') };
  const left = { server: drained('127.0.0.1:1', 'release:r7'), left: 'r7' };
  const startedByR7 = {
    pid: 1,
    isKnown: true,
    isAsConfigured: true,
    handle: {},
    startedAtMs: 0,
    release: 'r7',
    launch: launch('v2'),
  };
  const fallbacks = [
    instance(1, { record: proven }),
    stopped(1, { record: proven }),
    stopped(1),
    instance(1, { ...left, record: proven }),
    instance(1, { ...left, record: proven, process: startedByR7, version: 'v2' }),
  ]
    .map((one) => planRelease(SERVICE, found([one, instance(2)]), TO_V2).instances)
    .map((plans) => plans.find((plan) => plan.instance === '127.0.0.1:1')?.fallback);
  assert.deepEqual(fallbacks, ['v1', 'v0', '', 'v1', 'v0']);
});

test('plan: the steps of a revert', () => {
  const steps = planRevert(
    SERVICE,
    instance(1),
    { ...launch('v1'), argv: ['node'], cwd: '/srv', environment: [] },
    12,
  );
  assert.deepEqual(
    steps.map((step) => step.kind),
    ['stop', 'start', 'check', 'admit'],
  );
  assert.equal(steps.find((step) => step.kind === 'check')?.version, 'v1');
});

test('a gateway that is not heard is named in the plan', () => {
  const instances = [instance(1), instance(2)];
  const note = 'not heard: pid 8 on web-3 (silent since 12:00:01Z): they may still send';
  const notes = (scope: Survey['scope']): readonly string[] =>
    planRelease(SERVICE, found(instances, { scope }), TO_V2).notes;
  assert.equal(notes(PARTIAL).filter((text) => text.startsWith(note)).length, 1);
  for (const scope of [ALONE, TOGETHER, null]) {
    assert.doesNotMatch(notes(scope).join(), /not heard/);
  }
});

test('of a pool that cannot be asked nothing is claimed', () => {
  const away = { trouble: { code: 'unreachable', message: 'away' }, servers: [] } as const;
  const plan = planRelease(SERVICE, found([instance(1, { server: undefined })], away), TO_V2);
  assert.equal(plan.instances[0]?.why, 'pool not known: gateway cannot be asked');
  const unknown = planRelease(SERVICE, found([instance(1, { server: undefined })]), TO_V2);
  assert.equal(unknown.instances[0]?.why, 'takes no traffic (not in the upstream)');
});

test('plan: a start command is only judged where it would be used', () => {
  const broken = { launchProblem: 'no such file' };
  const instances = [instance(1, { ...broken, version: 'v2' }), instance(2, { version: 'v2' })];
  assert.deepEqual(planRelease(SERVICE, found(instances), TO_V2).problems, []);
});

test('plan: says when what runs at the version is not what the configuration starts', () => {
  const own = instance(1, { version: 'v2' });
  const notes = (part: object): readonly string[] => {
    const process = own.process && { ...own.process, ...part };
    return planRelease(SERVICE, found([{ ...own, process }, instance(2)]), TO_V2).notes;
  };
  assert.deepEqual(notes({}), []);
  assert.match(
    notes({ isAsConfigured: false }).join(),
    /^127\.0\.0\.1:1 runs v2 by another command/,
  );
  assert.deepEqual(notes({ isAsConfigured: false, isKnown: false }), []);
});

test('plan: says what a dead release left', () => {
  const left = { server: drained('127.0.0.1:1', 'release:r7'), left: 'r7' };
  const survey = found([instance(1, left), instance(2)], { history: [past({})] });
  assert.deepEqual(planRelease(SERVICE, survey, TO_V2).notes, [
    'release r7 to v2 died in check of 127.0.0.1:9001 (pid 70)',
    '127.0.0.1:1 is in drain by release r7, which is over: taken over',
  ]);
  const refused = found([instance(1, { ...left, stranger: 'pid 70 (x)' }), instance(2)]);
  assert.deepEqual(planRelease(SERVICE, refused, TO_V2).notes, [
    '127.0.0.1:1 is in drain by release r7, which is over',
  ]);
});

test('plan: says what the guard would wait for', () => {
  const held = instance(1, { server: drained('127.0.0.1:1', 'user:bob', 'maint') });
  const plan = planRelease(SERVICE, found([held, instance(2)]), TO_V2);
  assert.deepEqual(plan.problems, []);
  assert.deepEqual(plan.notes, [
    '127.0.0.1:2 would leave 0 eligible (need 1): waits up to 2m for another server to come up',
  ]);
});
