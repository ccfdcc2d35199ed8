import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SERVICE, TO_V2 } from '../../../test/support/release/surveys.ts';
import type { ApprovalPoint } from '../../config.ts';
import { withApprovals } from './approval.ts';
import type { InstancePlan, PlanOptions } from './types.ts';

function plan(action: InstancePlan['action'], at: number): InstancePlan {
  return {
    ...{ instance: `a:${at}`, from: 'v1', why: '', action, leaves: null, serving: true },
    ...{ fallback: 'v1', noWayBack: '', steps: [] },
  };
}

/** `-`, or what is asked for before each instance. */
function asked(
  actions: string,
  before: readonly ApprovalPoint[],
  part: Partial<PlanOptions> = {},
): string {
  const words = { r: 'release', k: 'keep', s: 'skip', t: 'retire' } as const;
  const plans = [...actions].map((letter, at) => {
    const [, action] = Object.entries(words).find(([known]) => known === letter) ?? [];
    return plan(action ?? 'skip', at);
  });
  const service = { ...SERVICE, approve: { before, timeoutMs: 1000 } };
  const all = withApprovals(service, plans, { ...TO_V2, ...part });
  return all.map(({ approval }) => approval?.before ?? '-').join(' ');
}

test('where a release waits', () => {
  for (const [actions, before, wanted] of [
    ['rrr', ['first'], 'first - -'],
    ['rrr', ['rest'], '- rest -'],
    ['rrr', ['first', 'rest'], 'first rest -'],
    ['srr', ['first', 'rest'], '- first rest'],
    ['r', ['rest'], '-'],
    ['rt', ['rest'], '- rest'],
    // Some have the version: what is left is the rest, and asked for once.
    ['krr', ['first'], '- first -'],
    ['krr', ['rest'], '- rest -'],
    ['krr', ['first', 'rest'], '- rest -'],
    ['kk', ['first', 'rest'], '- -'],
    ['ss', ['first', 'rest'], '- -'],
  ] as const) {
    assert.equal(asked(actions, before), wanted, `${actions} ${before}`);
  }
});

test('what was approved before is not asked for; nor in a rollback or a stop', () => {
  const both = ['first', 'rest'] as const;
  assert.equal(asked('rr', both, { approved: new Set(['first']) }), '- rest');
  assert.equal(asked('krr', both, { approved: new Set(['first', 'rest']) }), '- - -');
  assert.equal(asked('rr', both, { kind: 'rollback' }), '- -');
  assert.equal(asked('rr', both, { kind: 'stop' }), '- -');
  assert.deepEqual(withApprovals(SERVICE, [plan('release', 0)], TO_V2), [plan('release', 0)]);
});
