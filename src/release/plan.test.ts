import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE, SHARED } from '../../test/scopes.ts';
import type { ServiceConfig } from '../config.ts';
import type { PoolServer } from './control.ts';
import type { PastRelease } from './journal.ts';
import { type InstancePlan, type PlanOptions, planRelease, planRevert } from './plan.ts';
import { type Launch, NO_RECORD } from './record.ts';
import type { InstanceSurvey, Survey } from './survey.ts';

const SERVICE: ServiceConfig = {
  name: 'app',
  upstream: 'app',
  instances: [],
  start: ['node', 'app.ts', '-p', '{port}'],
  env: { VERSION: '{version}', SECRET: 'hush' },
  cwd: '/srv',
  runDir: '/run',
  stopTimeoutMs: 30_000,
  drainTimeoutMs: 30_000,
  drainOnTimeout: 'proceed',
  checkPath: '/ping',
  checkRequest: { port: 0, send: '', reads: 'answer', expect: ['http_2xx'] },
  checkIntervalMs: 1000,
  checkTimeoutMs: 1000,
  checkRise: 2,
  checkDeadlineMs: 120_000,
  versionHeader: 'x-app-version',
  minHealthy: 1,
  minHealthyPercent: 50,
  guardWaitMs: 120_000,
  onFailure: 'revert',
};

const TO_V2: PlanOptions = { version: 'v2', force: false, allowDowntime: false };

function server(id: string, part: Partial<PoolServer> = {}): PoolServer {
  return {
    id,
    backup: false,
    admin: { state: 'ready', owner: '', reason: '', sinceMs: 0 },
    checks: 'up',
    checkReason: '',
    checkType: 'http',
    eligibility: 'ok',
    inFlight: 0,
    ...part,
  };
}

function drained(id: string, owner: string, state: 'drain' | 'maint' = 'drain'): PoolServer {
  return server(id, { admin: { state, owner, reason: '', sinceMs: 0 }, eligibility: state });
}

function launch(version: string): Launch {
  return { version, argv: ['node'], cwd: '/srv', env: {}, path: '' };
}

/** A healthy instance that runs v1 in the pool, unless a part says otherwise. */
function instance(port: number, part: Partial<InstanceSurvey> = {}): InstanceSurvey {
  const id = `127.0.0.1:${port}`;
  const version = part.version ?? 'v1';
  return {
    id,
    address: { host: '127.0.0.1', port },
    process: {
      pid: port,
      identity: 'boot/1',
      startedAtMs: 0,
      release: 'r1',
      launch: launch(version),
    },
    record: NO_RECORD,
    stranger: '',
    answer: { ok: true, text: '200 in 1ms', version, refused: false, isVoid: false },
    version,
    server: server(id),
    left: '',
    trouble: '',
    launchProblem: '',
    ...part,
  };
}

function stopped(port: number, part: Partial<InstanceSurvey> = {}): InstanceSurvey {
  const answer = {
    ok: false,
    text: 'connect ECONNREFUSED',
    version: '',
    refused: true,
    isVoid: false,
  };
  const down = server(`127.0.0.1:${port}`, { checks: 'down', eligibility: 'down' });
  return instance(port, { process: null, answer, version: '', server: down, ...part });
}

function found(instances: readonly InstanceSurvey[], part: Partial<Survey> = {}): Survey {
  const servers = instances.flatMap(({ server: one }) => (one === undefined ? [] : [one]));
  return { instances, servers, scope: ALONE, trouble: null, history: [], ...part };
}

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

const past = (part: Partial<PastRelease>): PastRelease => ({
  id: 'r7',
  number: 7,
  version: 'v2',
  user: 'alice',
  pid: 70,
  beganAtMs: 0,
  over: true,
  outcome: '',
  lastStep: 'check of 127.0.0.1:9001',
  tookMs: 0,
  ...part,
});

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
    identity: 'boot/1',
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
  const steps = planRevert(SERVICE, launch('v1'), 12);
  assert.deepEqual(
    steps.map((step) => step.kind),
    ['stop', 'start', 'check', 'admit'],
  );
  assert.equal(steps.find((step) => step.kind === 'check')?.version, 'v1');
});

test('beside other gateways the plan says that they are not asked; alone it does not', () => {
  const instances = [instance(1), instance(2)];
  const note =
    'only pid 100 on web-1 is asked: other gateways that follow the Consul at 10.0.0.1:8500';
  const notes = (scope: Survey['scope']): readonly string[] =>
    planRelease(SERVICE, found(instances, { scope }), TO_V2).notes;
  assert.equal(notes(SHARED).filter((text) => text.startsWith(note)).length, 1);
  assert.doesNotMatch(notes(ALONE).join(), /other gateways/);
  assert.doesNotMatch(notes(null).join(), /other gateways/);
});

test('of a pool that cannot be asked nothing is claimed', () => {
  const away = { trouble: { code: 'unreachable', message: 'away' }, servers: [] } as const;
  const plan = planRelease(SERVICE, found([instance(1, { server: undefined })], away), TO_V2);
  assert.equal(plan.instances[0]?.why, 'pool not known: gateway cannot be asked');
  const unknown = planRelease(SERVICE, found([instance(1, { server: undefined })]), TO_V2);
  assert.equal(unknown.instances[0]?.why, 'takes no traffic (not in the upstream)');
});

const refusals: readonly [string, Survey, string, RegExp][] = [
  [
    'the only instance',
    found([instance(1)]),
    'guard_refused',
    /leaves 0 of 1 servers.*--allow-downtime/,
  ],
  [
    'an unreachable control plane',
    found([instance(1), instance(2)], { trouble: { code: 'unreachable', message: 'away' } }),
    'unreachable',
    /away/,
  ],
  [
    'an instance that the upstream does not have',
    found([instance(1, { server: undefined }), instance(2)]),
    'preflight_failed',
    /127\.0\.0\.1:1: upstream "app" has no such server; add it with: sluice kv put/,
  ],
  [
    'a port that somebody else holds',
    found([stopped(1, { stranger: 'pid 77 (nginx)' }), instance(2)]),
    'preflight_failed',
    /port 1 is held by pid 77 \(nginx\)/,
  ],
  [
    'a start command that cannot work',
    found([instance(1, { launchProblem: 'the program "nod" is not on the PATH' }), instance(2)]),
    'preflight_failed',
    /127\.0\.0\.1:1: the program "nod" is not on the PATH; see services\.app/,
  ],
  [
    'a pool that is all held by people',
    found(
      [1, 2].map((port) => instance(port, { server: drained(`127.0.0.1:${port}`, 'user:bob') })),
    ),
    'preflight_failed',
    /every instance is held/,
  ],
];

for (const [name, survey, code, message] of refusals) {
  test(`plan: refuses ${name}`, () => {
    const [problem] = planRelease(SERVICE, survey, TO_V2).problems;
    assert.equal(problem?.code, code);
    assert.match(problem?.message ?? '', message);
  });
}

test('plan: a start command is only judged where it would be used', () => {
  const broken = { launchProblem: 'no such file' };
  const instances = [instance(1, { ...broken, version: 'v2' }), instance(2, { version: 'v2' })];
  assert.deepEqual(planRelease(SERVICE, found(instances), TO_V2).problems, []);
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
