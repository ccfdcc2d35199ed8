// When an upstream is said to serve nobody: from the table, from what workers report, once each.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import { request, serverState, upstreamState } from '../../test/support/upstream/builders.ts';
import { parseConfig } from '../config.ts';
import type { Admin, Checks } from '../model.ts';
import { UpstreamSet } from '../upstream.ts';
import { Reporter, WorkerFigures } from '../workers.ts';
import { OutageWatch } from './outages.ts';
import { Table } from './table.ts';

const A = '127.0.0.1:9001';
const B = '127.0.0.1:9002';
const MAINT: Admin = { state: 'maint', owner: 'user:alice', reason: '', sinceMs: 1 };
const READY: Admin = { state: 'ready', owner: '', reason: '', sinceMs: 0 };
const TWO = `upstreams: { app: { servers: ["${A}", "${B}"] } }`;
const CHECKED = `upstreams: { app: { check: { type: tcp }, servers: ["${A}", "${B}"] } }`;

function scene(yaml: string) {
  const { log, lines } = recordingLog();
  const figures: WorkerFigures[] = [];
  let refused = 0;
  const table = new Table({
    log: recordingLog().log,
    generation: 0,
    memberships: new Map(),
    overrides: [],
    verdicts: [],
    addresses: () => [],
    onChange: () => {},
    onMembers: () => {},
    onMember: () => {},
  });
  table.setUpstreams(parseConfig(yaml, '/tmp/sluice.yaml').upstreams);
  const watch = new OutageWatch({
    upstreams: () => table.upstreams,
    figures: () => figures,
    refused: () => refused,
    log,
  });
  return {
    table,
    figures,
    refuse: (count: number) => {
      refused += count;
    },
    /** In force when it returns: an override, even an empty one, never waits. */
    verdict: (server: string, checks: Checks) => {
      table.setVerdict({
        ...{ upstream: 'app', server, checks, riseCount: 1, fallCount: 1 },
        ...{ reason: '', atMs: 1, changed: true },
      });
      table.setOverride('app', 'nobody', READY);
    },
    /** What a look at this time says: `level message fields`. */
    look: (nowMs: number): string[] => {
      lines.length = 0;
      watch.look(nowMs);
      return lines.map(({ level, message, fields }) => {
        const { upstream, ...rest } = fields;
        assert.equal(upstream, 'app');
        return `${level} ${message} ${JSON.stringify(rest)}`;
      });
    },
  };
}

const OUT = 'error upstream has no eligible server, its clients get 503';
const FAILING = 'error upstream has only failing servers left, requests are tried on them';
const BETTER = 'info upstream has other servers than failing ones again';
const BACK = 'info upstream has eligible servers again';

test('an outage is said once, and its end with duration and refused requests', () => {
  const it = scene(TWO);
  assert.deepEqual(it.look(0), []);
  it.table.setOverride('app', A, MAINT);
  assert.deepEqual(it.look(10), []);
  it.table.setOverride('app', B, { ...MAINT, state: 'drain' });
  assert.deepEqual(it.look(20), [`${OUT} {"servers":{"maint":1,"drain":1}}`]);
  it.refuse(3);
  assert.deepEqual(it.look(30), []);
  it.refuse(4);
  it.table.setOverride('app', B, READY);
  assert.deepEqual(it.look(520), [
    `${BACK} {"servers":{"maint":1,"ok":1},"lastedMs":500,"refused":7}`,
  ]);
  assert.deepEqual(it.look(530), []);
  it.table.setOverride('app', B, MAINT);
  assert.equal(it.look(540).length, 1, 'the next one is said again');
});

test('servers that are all ejected are no outage: requests are tried on them', () => {
  const it = scene(TWO);
  it.look(0);
  const worker = eject(it.table);
  it.figures.push(worker.figures);
  assert.deepEqual(it.look(100), [`${FAILING} {"servers":{"ejected":2}}`]);
  worker.report(20_000);
  assert.deepEqual(it.look(200), [`${BETTER} {"servers":{"ok":2},"lastedMs":100}`]);
});

test('when one worker has ejected all, its clients are tried on them', () => {
  const it = scene(TWO);
  it.figures.push(new WorkerFigures());
  assert.deepEqual(it.look(0), []);
  it.figures.push(eject(it.table).figures);
  assert.deepEqual(it.look(100), [`${FAILING} {"servers":{"ejected":2}}`]);
  // It died, its replacement has no figures yet.
  it.figures.pop();
  assert.equal(it.look(200).length, 1);
});

test('checks that found all down are an outage; first verdicts are waited for, but not for ever', () => {
  const it = scene(CHECKED);
  assert.deepEqual(it.look(1), []);
  it.verdict(A, 'down');
  assert.deepEqual(it.look(1000), []);
  it.verdict(B, 'down');
  assert.deepEqual(it.look(2000), [`${OUT} {"servers":{"down":2}}`]);
  const slow = scene(CHECKED);
  slow.look(1);
  assert.deepEqual(slow.look(30_001), []);
  assert.deepEqual(slow.look(30_002), [`${OUT} {"servers":{"unchecked":2}}`]);
});

test('a request that is refused while verdicts are waited for is said, and not each one', () => {
  const it = scene(CHECKED);
  const refused = 'warn requests found no eligible server and got 503';
  it.look(1);
  it.refuse(1);
  assert.deepEqual(it.look(2), [`${refused} {"refused":1,"servers":{"unchecked":2}}`]);
  it.refuse(2);
  assert.deepEqual(it.look(3), []);
  it.refuse(2);
  assert.deepEqual(it.look(10_002), [`${refused} {"refused":4,"servers":{"unchecked":2}}`]);
});

test('an upstream that never had a server is a fresh start, until somebody is turned away', () => {
  const it = scene('upstreams: { app: {} }');
  assert.deepEqual(it.look(1), []);
  assert.deepEqual(it.look(100_000), []);
  it.refuse(1);
  assert.deepEqual(it.look(100_001), [`${OUT} {"servers":{}}`]);
});

test('one whose last server left is an outage at once', () => {
  const it = scene('upstreams: { app: { allow_empty: on } }');
  const instance = {
    ...{ id: A, service: 'app', host: '127.0.0.1', port: 9001, weight: 1, maxFails: 1 },
    ...{ failTimeoutMs: 1, down: false, backup: false },
  };
  const membership = { index: 1, problems: [], held: [] };
  it.table.setMembership('default', { ...membership, services: new Map([['app', [instance]]]) });
  assert.deepEqual(it.look(1), []);
  it.table.setMembership('default', { ...membership, services: new Map() });
  it.table.setOverride('app', 'nobody', READY);
  assert.deepEqual(it.look(2), [`${OUT} {"servers":{}}`]);
});

test('only backups left is a warning, and only backups by design is not', () => {
  const yaml = `upstreams: { app: { servers: ["${A}", { address: "${B}", backup: on }] } }`;
  const it = scene(yaml);
  assert.deepEqual(it.look(0), []);
  it.table.setOverride('app', A, MAINT);
  assert.deepEqual(it.look(10), [
    'warn upstream has only backup servers left {"servers":{"maint":1,"ok":1}}',
  ]);
  it.table.setOverride('app', B, MAINT);
  assert.deepEqual(it.look(20), [`${OUT} {"servers":{"maint":2}}`]);
  it.table.setOverride('app', A, READY);
  assert.equal(it.look(30).length, 1);
  it.table.setOverride('app', B, READY);
  it.table.setOverride('app', A, MAINT);
  assert.equal(it.look(40).length, 1);
  it.table.setOverride('app', A, READY);
  assert.deepEqual(it.look(50), [
    'info upstream has other servers than backups again {"servers":{"ok":2},"lastedMs":10}',
  ]);
  assert.deepEqual(scene(yaml.replace(`"${A}", `, '')).look(0), []);
});

const SOCKETS = {
  ...{ descriptorsOpen: 40, descriptorsMax: 1024, clientsMax: 700 },
  ...{ turnedAway: 0, acceptFailures: 0, tlsFailures: 0, evicted: 0, noSocket: 0, upstreams: [] },
  ...{ spansExported: 0, spansDropped: 0 },
};

/** A worker in which both servers have failed at time 0. */
function eject(table: Table): { figures: WorkerFigures; report: (nowMs: number) => void } {
  const upstreams = new UpstreamSet();
  const reporter = new Reporter(upstreams);
  const figures = new WorkerFigures();
  const state = { ...upstreamState([]), name: 'app' };
  const servers = [A, B].map((id) => serverState({ id, maxFails: 1, failTimeoutMs: 10_000 }));
  upstreams.apply({ ...table.update(), upstreams: [{ ...state, servers }] }, 0);
  for (let pick = 0; pick < 2; pick += 1)
    upstreams.get('app')?.pick(request(), 0)?.settle('failure', 0);
  const report = (nowMs: number): void =>
    figures.take({
      connections: 0,
      sockets: SOCKETS,
      ...{ gaps: [], oldest: [] },
      upstreams: structuredClone(reporter.report(nowMs)),
    });
  report(1);
  return { figures, report };
}
