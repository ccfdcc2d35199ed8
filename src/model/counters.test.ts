// Sums and differences of counters: whatever is declared is in them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addServerCounters,
  addUpstreamCounters,
  copyServerCounters,
  createServerCounters,
  createUpstreamCounters,
  recordHead,
  sumOfServerCounters,
} from '../model.ts';

/** Every number and every place of every list has a value of its own. */
function filled<T extends object>(counters: T): T {
  let next = 1;
  const fill = (value: unknown): unknown => (Array.isArray(value) ? value.map(fill) : next++);
  return Object.fromEntries(
    Object.entries(counters).map(([name, value]) => [name, fill(value)]),
  ) as T;
}

test('each counter is added, and taken away again, lists by their places', () => {
  const upstream = filled(createUpstreamCounters());
  const sum = createUpstreamCounters();
  addUpstreamCounters(sum, upstream);
  assert.deepEqual(sum, upstream);
  addUpstreamCounters(sum, upstream);
  addUpstreamCounters(sum, upstream, -1);
  assert.deepEqual(sum, upstream);
  addUpstreamCounters(sum, upstream, -1);
  assert.deepEqual(sum, createUpstreamCounters());

  const server = filled({ ...createServerCounters(), headTimes: new Array<number>(5).fill(0) });
  const total = createServerCounters();
  addServerCounters(total, server);
  assert.deepEqual(total, server);
});

test('one raised counter of a server changes their sum', () => {
  const server = createServerCounters();
  for (const name of Object.keys(server) as (keyof typeof server)[]) {
    // Its numbers rise with it.
    if (name === 'headTimes') continue;
    const before = sumOfServerCounters(server);
    server[name] += 1;
    assert.equal(sumOfServerCounters(server), before + 1, name);
  }
});

test('a copy shares no list, and a server that never answered has an empty one', () => {
  const server = createServerCounters();
  assert.deepEqual(server.headTimes, []);
  recordHead(server, 1);
  const copy = copyServerCounters(server);
  recordHead(server, 1);
  assert.deepEqual([copy.heads, copy.headTimes[1]], [1, 1]);
  assert.deepEqual([server.heads, server.headTimes[1], server.headSumMs], [2, 2, 2]);
});
