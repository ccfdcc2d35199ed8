// Sums in, columns out, on a clock that the test turns: what happened when, by server, version and upstream,
// and what it costs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServerCounters, recordHead } from '../model.ts';
import { History, SERIES_MAX, type ServerTotals, type UpstreamTotals } from './history.ts';

const NOTHING = { requests: 0, failures: 0, errors: 0, inFlight: 0 };
const START_S = 1_700_000_000;

function heads(...times: readonly number[]): readonly number[] {
  const counters = createServerCounters();
  for (const ms of times) recordHead(counters, ms);
  return counters.headTimes;
}

function server(id: string, changes: Partial<ServerTotals> = {}): ServerTotals {
  return { id, version: '', heads: [], ...NOTHING, ...changes };
}

function app(servers: readonly ServerTotals[], changes: Partial<UpstreamTotals> = {}) {
  return [{ name: 'app', ...NOTHING, servers, ...changes }];
}

/** The newest values of the one series. */
function tail(history: History, name: string, count: number, span: '5m' | '1h' = '5m') {
  const found = history.read('app', name, span, 10).series[0];
  assert(found !== undefined, 'there is a series');
  const { requests, failures, errors, inFlight, p50Ms, p99Ms } = found;
  return [requests, failures, errors, inFlight, p50Ms, p99Ms].map((values) => values.slice(-count));
}

const NONE = Number.NaN;

test('a second has what was added to the sums in it, and a quiet one nothing but what is in flight', () => {
  const history = new History();
  history.record(START_S, app([server('a', { requests: 5, inFlight: 2, heads: heads(8) })]));
  history.record(START_S + 1, app([]));
  const more = { requests: 7, failures: 1, errors: 1, inFlight: 1, heads: heads(8, 80) };
  history.record(START_S + 2, app([server('a', more)]));
  const [requests, failures, errors, inFlight, p50, p99] = tail(history, 'a', 3);
  assert.deepEqual(
    [requests, failures, errors],
    [
      [5, 0, 2],
      [0, 0, 1],
      [0, 0, 1],
    ],
  );
  assert.deepEqual(inFlight, [2, 2, 1]);
  assert.deepEqual(p50, [8.5, NONE, 85], 'of this second alone');
  assert(Math.abs((p99?.[2] ?? 0) - 99.7) < 0.1);
  assert.deepEqual(tail(history, 'a', 300)[0]?.slice(0, 297), new Array(297).fill(0));
});

test('the ring goes around and forgets what is older than five minutes', () => {
  const history = new History();
  for (let second = 0; second < 700; second += 1) {
    history.record(START_S + second, app([server('a', { requests: second + 1 })]));
  }
  assert.deepEqual(tail(history, 'a', 300)[0], new Array(300).fill(1));
  for (let second = 700; second < 1100; second += 1) history.record(START_S + second, app([]));
  assert.deepEqual(tail(history, 'a', 300)[0], new Array(300).fill(0));
  const [coarse = []] = tail(history, 'a', 110, '1h');
  assert.deepEqual(coarse, [...new Array(70).fill(10), ...new Array(40).fill(0)]);
});

test('ten seconds have their sum, their most in flight, and quantiles of all their answers', () => {
  const history = new History();
  for (let second = 0; second < 10; second += 1) {
    const inFlight = second === 4 ? 9 : 0;
    const times = new Array<number>(second + 1).fill(8);
    history.record(
      START_S + second,
      app([server('a', { requests: second + 1, inFlight, heads: heads(...times) })]),
    );
  }
  assert.deepEqual(tail(history, 'a', 2, '1h'), [
    [0, 10],
    [0, 0],
    [0, 0],
    [0, 9],
    [NONE, 8.5],
    [NONE, 9.96875],
  ]);
  for (let second = 10; second < 30; second += 1) history.record(START_S + second, app([]));
  assert.deepEqual(tail(history, 'a', 2, '1h')[3], [0, 0], 'what ended is not in flight later');
});

test('seconds that were missed share what was found after them', () => {
  const history = new History();
  history.record(START_S, app([server('a', { requests: 1 })]));
  history.record(START_S + 4, app([server('a', { requests: 9 })]));
  assert.deepEqual(tail(history, 'a', 5)[0], [1, 2, 2, 2, 2]);
});

test('a clock that is set back a little waits, far back it begins anew', () => {
  const history = new History();
  history.record(START_S, app([server('a', { requests: 1 })]));
  history.record(START_S - 3, app([server('a', { requests: 2 })]));
  assert.deepEqual(tail(history, 'a', 2)[0], [0, 1]);
  history.record(START_S - 3600, app([server('a', { requests: 5 })]));
  assert.deepEqual(tail(history, 'a', 2)[0], [0, 4], 'and counts on from the sums that it knew');
});

test('an upstream has its own counts, the times of its servers, and a series per version', () => {
  const history = new History();
  const servers = [
    server('a', { requests: 3, version: 'v1', inFlight: 2, heads: heads(8) }),
    server('b', { requests: 4, version: 'v2', inFlight: 1 }),
    server('c', { requests: 9 }),
  ];
  history.record(START_S, app(servers, { requests: 15, failures: 1, inFlight: 3 }));
  // a is released: what it has in flight is of the new version from now on.
  const released = server('a', { requests: 5, version: 'v2', inFlight: 2, heads: heads(8) });
  history.record(START_S + 1, app([released], { requests: 17, failures: 1, inFlight: 3 }));
  const { series } = history.read('app', '', '5m', 10);
  assert.deepEqual(
    series.map(({ kind, name, requests, inFlight }) => [
      kind,
      name,
      requests.slice(-2),
      inFlight.slice(-2),
    ]),
    [
      ['upstream', '', [15, 2], [3, 3]],
      ['version', 'v1', [3, 0], [2, 0]],
      ['version', 'v2', [4, 2], [1, 3]],
    ],
  );
  assert.deepEqual(series[0]?.p50Ms.slice(-2), [8.5, NONE]);
  assert.deepEqual(
    history.read('app', '*', '5m', 2).series.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.equal(history.read('app', '*', '5m', 2).complete, false, 'not all are shown');
  assert.deepEqual(history.read('other', '', '5m', 2).series, []);
});

test('ten thousand servers without traffic cost nothing, and there is a bound for those with', () => {
  const history = new History();
  const idle = Array.from({ length: 10_000 }, (_, place) => server(`s${place}`));
  history.record(START_S, app(idle));
  assert.equal(history.size, 0);
  const before = process.memoryUsage().arrayBuffers;
  const busy = Array.from({ length: SERIES_MAX + 500 }, (_, place) =>
    server(`s${place}`, { requests: 1 }),
  );
  history.record(START_S + 1, app(busy, { requests: 1 }));
  assert.equal(history.size, SERIES_MAX);
  assert(process.memoryUsage().arrayBuffers - before < 130 * 2 ** 20);
  assert.equal(history.read('app', '', '5m', 10).complete, false);
  // An hour later all of it is old, and newcomers have room again.
  for (let second = 2; second < 3800; second += 1) history.record(START_S + second, app([]));
  assert.equal(history.size, 0);
  history.record(START_S + 3800, app([server('s0', { requests: 4 })]));
  assert.deepEqual(tail(history, 's0', 2)[0], [0, 3], 'it counts on');
});

test('marks say what changed, the newest of them', () => {
  const history = new History();
  const ok = { eligibility: 'ok', weight: 1, version: 'v1', owner: '' };
  const note = (last: typeof ok | undefined, next: typeof ok | undefined, at: number): void =>
    history.noteFacts('app', 'a', { last, next }, (START_S + at) * 1000);
  history.record(START_S, []);
  note(undefined, ok, 0);
  note(ok, { ...ok, eligibility: 'full' }, 0);
  note(ok, { ...ok, eligibility: 'drain', owner: 'user:ann' }, 0);
  note(ok, { ...ok, weight: 5, version: 'v2' }, 0);
  note(ok, undefined, 0);
  const { marks } = history.read('app', '', '5m', 10);
  assert.deepEqual(
    marks.map(({ what, from, to, owner }) => [what, from, to, owner]),
    [
      ['joined', '', 'ok', ''],
      ['eligibility', 'ok', 'drain', 'user:ann'],
      ['weight', '1', '5', ''],
      ['version', 'v1', 'v2', ''],
      ['left', 'ok', '', ''],
    ],
  );
  assert.equal(history.read('app', 'b', '5m', 10).marks.length, 0);
  for (let times = 0; times < 3000; times += 1) note(undefined, ok, 0);
  assert.equal(history.read('app', '', '5m', 10).marks.length, 500);
  history.record(START_S + 400, []);
  assert.equal(history.read('app', '', '5m', 10).marks.length, 0, 'older than what is shown');
});
