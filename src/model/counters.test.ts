// Sums and differences of counters: whatever is declared is in them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addServerCounters,
  addUpstreamCounters,
  createServerCounters,
  createUpstreamCounters,
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

  const server = filled(createServerCounters());
  const total = createServerCounters();
  addServerCounters(total, server);
  assert.deepEqual(total, server);
});

test('one raised counter of a server changes their sum', () => {
  const server = createServerCounters();
  for (const name of Object.keys(server) as (keyof typeof server)[]) {
    const before = sumOfServerCounters(server);
    server[name] += 1;
    assert.equal(sumOfServerCounters(server), before + 1, name);
  }
});
