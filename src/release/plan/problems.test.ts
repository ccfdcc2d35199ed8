import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  drained,
  found,
  instance,
  past,
  SERVICE,
  stopped,
  TO_V2,
} from '../../../test/support/release/surveys.ts';
import { planRelease } from '../plan.ts';
import type { Survey } from '../survey.ts';
import { addAdvice } from './problems.ts';

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
    'an instance whose host cannot be asked',
    found([instance(1), stopped(2, { isUnknown: true, trouble: 'host "b": permission denied' })]),
    'preflight_failed',
    /^host "b": permission denied$/,
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
  [
    'while another release runs',
    found([instance(1, { stranger: 'pid 7 (x)' }), instance(2)], {
      history: [past({ over: false, beganAtMs: Date.now() }), past({ id: 'r6' })],
      trouble: { code: 'unreachable', message: 'away' },
    }),
    'locked',
    /release r7 to v2 by .* \(pid 70\) has been running for .*; wait for it, or press Ctrl-C where it runs$/,
  ],
];

for (const [name, survey, code, message] of refusals) {
  test(`plan: refuses ${name}`, () => {
    const [problem] = planRelease(SERVICE, survey, TO_V2).problems;
    assert.equal(problem?.code, code);
    assert.match(problem?.message ?? '', message);
  });
}

test('plan: a version that is no name is refused first', () => {
  const survey = found([instance(1), instance(2)], { history: [past({ over: false })] });
  const { problems } = planRelease(SERVICE, survey, { ...TO_V2, version: '../../t' });
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['preflight_failed', 'locked'],
  );
});

test('what puts a server into the upstream has the prefix of the configuration, or is a place', () => {
  const advice = (recordPrefix: string): string =>
    addAdvice({ ...SERVICE, serversIn: { recordPrefix } }, '10.0.0.1:80');
  const end = `10.0.0.1:80 '{"weight":1}'`;
  assert.equal(advice('upstreams/app/'), `add it with: sluice kv put upstreams/app/${end}`);
  assert.equal(advice('prod/eu/app/'), `add it with: sluice kv put prod/eu/app/${end}`);
  assert.match(advice('a b/app/'), /kv put 'a b\/app\/10\.0\.0\.1:80' '/);
  const serversIn = { place: 'the file /srv/servers.yaml' };
  assert.equal(
    addAdvice({ ...SERVICE, serversIn }, '10.0.0.1:80'),
    'add it to the file /srv/servers.yaml',
  );
  assert.match(addAdvice(SERVICE, '[::1]:80'), /kv put 'upstreams\/app\/\[::1\]:80' '/);
});

test('an instance that the upstream does not have is refused where a release cannot register it', () => {
  const survey = found([instance(1, { server: undefined }), instance(2)]);
  const elsewhere = { ...SERVICE, serversIn: { place: 'the file servers.yaml' } };
  const [problem] = planRelease(elsewhere, survey, TO_V2).problems;
  assert.equal(problem?.code, 'preflight_failed');
  assert.match(problem.message, /1: upstream "app" has no such server; add it to the file servers/);
  const { problems, instances } = planRelease(SERVICE, survey, TO_V2);
  assert.deepEqual(problems, []);
  assert.equal(instances[0]?.steps[0]?.kind, 'register');
});

test('nothing is done with an instance whose host cannot be asked, and it is not taken for one that is down', () => {
  const unknown = stopped(2, { isUnknown: true, trouble: 'host "b": away' });
  const { instances } = planRelease(SERVICE, found([instance(1), unknown]), TO_V2);
  const [plan] = instances.filter(({ instance: id }) => id.endsWith(':2'));
  assert.deepEqual(
    [plan?.action, plan?.why, plan?.steps],
    ['skip', 'its host cannot be asked', []],
  );
});
