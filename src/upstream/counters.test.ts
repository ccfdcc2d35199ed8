// Exchange counters, the duration histogram, and the gap tracker as a table of events.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUpstream } from '../../test/support/upstream/builders.ts';
import { createUpstreamCounters, DURATION_BOUNDS_MS, recordDuration } from '../model.ts';

test('counts each exchange once, whichever way it ends', () => {
  const upstream = createUpstream([{}]);
  for (let exchange = 0; exchange < 5; exchange += 1) upstream.began(0);
  for (const result of ['answered', 'cut', 'lost', 'clientGone'] as const) {
    upstream.ended(result, 7, 3);
  }
  const { requests, answered, cut, lost, clientGone, inFlight, durations } = upstream.counters;
  assert.deepEqual([requests, answered, cut, lost, clientGone, inFlight], [5, 1, 1, 1, 1, 1]);
  assert.equal(durations[DURATION_BOUNDS_MS.indexOf(5)], 1, 'only the answered one, 4 ms');
  assert.equal(upstream.counters.durationSumMs, 4);
});

test('a duration falls into the first bucket whose bound it does not exceed', () => {
  const cases: readonly (readonly [ms: number, bucket: number])[] = [
    [0, 0],
    [1, 0],
    [1.01, 1],
    [60_000, DURATION_BOUNDS_MS.length - 1],
    [60_001, DURATION_BOUNDS_MS.length],
    [1e9, DURATION_BOUNDS_MS.length],
  ];
  for (const [ms, bucket] of cases) {
    const counters = createUpstreamCounters();
    recordDuration(counters, ms);
    assert.equal(counters.durations.indexOf(1), bucket, `${ms} ms`);
  }
});

/** b = began, a = answered, l = lost, c = client gone, o = opened; then the gap read at `readMs`. */
const GAPS: readonly (readonly [name: string, events: string, readMs: number, gapMs: number])[] = [
  ['one exchange', 'o0 b10 a40', 100, 30],
  ['the one under way counts', 'o0 b10', 100, 90],
  ['idle time is no gap', 'o0 b0 a1 b500 a501', 900, 1],
  ['an answer restarts it while others wait', 'o0 b0 b10 a30 a90', 100, 60],
  ['a loss does not end it', 'o0 b0 b10 l20 a100', 100, 100],
  ['the loss of the last one ends it', 'o0 b0 l20 b50 a60', 100, 20],
  ['clients that leave do not end it', 'o0 b0 b1 c50 b60 a200', 200, 200],
  ['what lies before the opening does not count', 'b0 o80 a100', 200, 20],
  ['opened while nobody waits', 'b0 a50 o60 b70 a75', 200, 5],
  ['opened anew starts from nothing', 'o0 b0 a50 o60', 200, 0],
];

for (const [name, events, readMs, gapMs] of GAPS) {
  test(`gap: ${name}: ${events} is ${gapMs} ms`, () => {
    const upstream = createUpstream([{}]);
    for (const event of events.split(' ')) {
      const nowMs = Number(event.slice(1));
      if (event.startsWith('b')) upstream.began(nowMs);
      else if (event.startsWith('a')) upstream.ended('answered', nowMs);
      else if (event.startsWith('l')) upstream.ended('lost', nowMs);
      else if (event.startsWith('c')) upstream.ended('clientGone', nowMs);
      else upstream.openGap('r1', nowMs);
    }
    assert.equal(upstream.readGap('r1', readMs), gapMs);
    upstream.closeGap('r1');
    assert.equal(upstream.readGap('r1', readMs), 0, 'a closed one reads 0');
  });
}

test('open gaps are bounded: the oldest makes room', () => {
  const upstream = createUpstream([{}]);
  for (let index = 0; index < 300; index += 1) upstream.openGap(`r${index}`, 0);
  upstream.began(0);
  assert.equal(upstream.readGap('r0', 10), 0);
  assert.equal(upstream.readGap('r299', 10), 10);
});
