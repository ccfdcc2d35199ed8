// What needs attention, case by case: each begins with a healthy gateway, of which nothing is said.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { server, status, upstream } from '../../../test/support/admin/documents.ts';
import type { ReleaseSummary, ServerDocument, ServiceRow, StatusDocument } from '../../admin.ts';
import { attentionOf } from './attention.ts';

const NOW_MS = 10_000_000_000;
const LONG_AGO_MS = NOW_MS - 3_600_001;
const RUNNING = {
  ...{ release: 'r4', version: 'v2', user: 'ann', runner: 'pid 1 on ci' },
  ...{ sinceMs: 5, step: 'drain of a:1', stale: false },
};
const LAST: ReleaseSummary = {
  ...{ release: 'r3', number: 3, kind: 'deploy', version: 'v2', upstream: 'app', user: 'ann' },
  ...{ runner: '', beganAtMs: 1, endedAtMs: NOW_MS - 1000, outcome: 'rolled_back', exit: 6 },
  ...{ reason: 'the check failed', lastStep: '', complete: false, of: '', why: '' },
  ...{ from: undefined, counted: undefined },
};

function said(
  document: Partial<StatusDocument>,
  services: Readonly<Record<string, ServiceRow>> = {},
): readonly string[] {
  const whole = { ...status([upstream('app', [server('a:1'), server('b:1')])]), ...document };
  return Object.entries(attentionOf(whole, services, NOW_MS)).map(
    ([key, { level }]) => `${level} ${key}`,
  );
}

function pool(...changes: readonly Partial<ServerDocument>[]): Partial<StatusDocument> {
  return {
    upstreams: [
      upstream(
        'app',
        changes.map((change, place) => server(`${place}:1`, change)),
      ),
    ],
  };
}

test('of a healthy gateway nothing is said', () => {
  assert.deepEqual(said({}), []);
  assert.deepEqual(said(pool({})), []);
  assert.deepEqual(said({ upstreams: [upstream('empty', [])] }), []);
});

test('each trouble has its code, and the worst comes first', () => {
  const { registry, gateways, workers } = status([]);
  const admin = { state: 'drain', owner: 'user:ann', reason: '', sinceMs: LONG_AGO_MS } as const;
  const problem = { server: 'x', key: 'upstreams/app/x', message: 'no port' };
  const [app] = pool({}, {}).upstreams ?? [];
  assert(app !== undefined && gateways[0] !== undefined && workers[0] !== undefined);
  const cases: readonly (readonly [readonly string[], Partial<StatusDocument>])[] = [
    [['bad registry_away default'], { registry: { ...registry, reachable: false } }],
    [[], { registry: { ...registry, reachable: false, kind: 'none' } }],
    [
      ['bad none_eligible app', 'warn servers_out app'],
      pool({ eligibility: 'down' }, { eligibility: 'ejected' }),
    ],
    [['warn servers_out app'], pool({}, { eligibility: 'unresolved' })],
    [['info out_for_long app'], pool({}, { eligibility: 'drain', admin })],
    [[], pool({}, { eligibility: 'drain', admin: { ...admin, sinceMs: NOW_MS } })],
    [[], pool({}, { eligibility: 'maint', admin: { ...admin, owner: 'kv' } })],
    [['warn give_back_waits app'], pool({ givenBack: true })],
    [['bad not_restarted app'], pool({ resting: 'it ended 5 times' })],
    [['warn records_unreadable app'], { upstreams: [{ ...app, problems: [problem] }] }],
    [
      ['warn list_held app'],
      { upstreams: [{ ...app, problems: [{ server: '', key: '', message: 'held' }] }] },
    ],
    [['warn gateway_silent pid 100 on web-1'], { gateways: [{ ...gateways[0], state: 'silent' }] }],
    [['info gateway_behind pid 100 on web-1'], { gateways: [{ ...gateways[0], current: false }] }],
    [['warn worker_silent worker 1'], { workers: [{ ...workers[0], silentMs: 3001 }] }],
  ];
  for (const [expected, document] of cases) assert.deepEqual(said(document), expected);
});

test('of a release it is said that it runs, waits, has no runner, or failed lately', () => {
  const of = (row: Partial<ServiceRow>): readonly string[] =>
    said({}, { app: { upstream: 'app', ...row } });
  assert.deepEqual(of({ running: RUNNING, last: LAST }), ['info release_runs app']);
  assert.deepEqual(of({ running: { ...RUNNING, stale: true } }), [
    'bad release_without_runner app',
  ]);
  const waits = { before: 'the rest', sinceMs: 1, untilMs: 2 };
  assert.deepEqual(of({ running: { ...RUNNING, waits } }), ['warn release_waits app']);
  assert.deepEqual(of({ last: LAST }), ['warn release_failed app']);
  assert.deepEqual(of({ last: { ...LAST, outcome: 'succeeded' } }), []);
  assert.deepEqual(of({ last: { ...LAST, endedAtMs: LONG_AGO_MS } }), []);
});

test('a few servers are named, the rest is a number', () => {
  const servers = Array.from({ length: 5 }, () => ({ eligibility: 'down' }) as const);
  const found = attentionOf({ ...status([]), ...pool({}, ...servers) }, {}, NOW_MS);
  const { text, count } = found['servers_out app'] ?? {};
  assert.match(text ?? '', /5 of 6 servers .*: 1:1, 2:1, 3:1 and 2 more$/);
  assert.equal(count, 5);
});
