import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE } from '../../../test/support/base/scopes.ts';
import { artifactConfig } from '../../../test/support/release/artifacts.ts';
import { instance, launch, SERVICE, TO_V2 } from '../../../test/support/release/surveys.ts';
import type { ServiceConfig } from '../../config.ts';
import { planRelease, planRevert } from '../plan.ts';

const RELEASE = 'v2-0123456789ab';
const artifact = artifactConfig('/srv/app', { link: 'current-{port}', release: RELEASE });
const service: ServiceConfig = { ...SERVICE, artifact };

function kindsOf(found: ReturnType<typeof instance>, of = service): readonly string[] {
  const instances = [found, instance(9)];
  const servers = instances.flatMap(({ server }) => server ?? []);
  const survey = { instances, servers, scope: ALONE, trouble: null, history: [] };
  const plans = planRelease(of, survey, TO_V2).instances;
  return plans.find((plan) => plan.instance === found.id)?.steps.map(({ kind }) => kind) ?? [];
}

test('plan: the link is switched between stop and start', () => {
  const steps = ['guard', 'drain', 'stop', 'activate', 'start', 'check', 'admit'];
  assert.deepEqual(kindsOf(instance(1)), steps);
  const stopped = ['guard', 'activate', 'start', 'check', 'admit'];
  assert.deepEqual(kindsOf(instance(1, { process: null })), stopped);
});

test('plan: nothing is switched without an artifact, or while it is not known', () => {
  const unknown = { ...service, artifact: { ...artifact, release: '' } };
  for (const without of [unknown, { ...service, artifact: null }]) {
    assert(!kindsOf(instance(1), without).includes('activate'));
  }
});

test('plan: a revert leads the link back to where the old version starts', () => {
  const old = { ...launch('v1'), environment: [] };
  const linkOf = (cwd: string, argv: readonly string[]): unknown =>
    planRevert(service, instance(7), { ...old, argv, cwd }, 1).find(
      ({ kind }) => kind === 'activate',
    );
  const back = {
    kind: 'activate',
    path: '/srv/app',
    link: 'current-7',
    release: 'v1-aaaabbbbcccc',
  };
  assert.deepEqual(linkOf('/data/srv/app/releases/v1-aaaabbbbcccc/dist', ['node']), back);
  assert.deepEqual(linkOf('/opt', ['/srv/app/releases/v1-aaaabbbbcccc/run']), back);
  assert.equal(linkOf('/srv/elsewhere', ['node', 'app.js']), undefined);
});
