// The ramp's formula as a table, and who ramps when: those that come back, never at our own start.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUpstream, request, upstreamState } from '../../test/support/upstream/builders.ts';
import type { ServerState } from '../model.ts';
import { rampFactor } from './slow-start.ts';
import type { Upstream } from './upstream.ts';

const SLOW = { slowStartMs: 10_000 };

for (const [elapsedMs, expected] of [
  [0, 103 / 1024],
  [500, 103 / 1024],
  [1000, 103 / 1024],
  [2500, 1 / 4],
  [5000, 1 / 2],
  [9999, 1],
  [10_000, 1],
  [1e9, 1],
] as const) {
  test(`after ${elapsedMs} ms of a slow start of 10 s the factor is ${expected}`, () => {
    assert.equal(rampFactor(elapsedMs, 10_000), expected);
  });
}

type Change = readonly Partial<ServerState>[];
const UP = { checks: 'up', mustPass: true } as const;
const UNCHECKED = { checks: 'unknown', mustPass: true } as const;
const UNRESOLVED = { ...UP, addresses: [] } as const;
const DOWN = { checks: 'down', mustPass: true } as const;
const DRAIN = { ...UP, admin: 'drain' } as const;
const MAINT = { ...UNCHECKED, admin: 'maint' } as const;

/** The tables in turn, and the first server's factor at the moment of the last one. */
const CASES: readonly (readonly [name: string, tables: readonly Change[], ramps: boolean])[] = [
  ['at our own start', [[UP, UP]], false],
  [
    'first verdict after our own start',
    [
      [UNCHECKED, UNCHECKED],
      [UNCHECKED, UP],
      [UP, UP],
    ],
    false,
  ],
  [
    'first address after our own start',
    [
      [UNRESOLVED, UP],
      [UP, UP],
    ],
    false,
  ],
  [
    'the list is empty at first, then verdicts come',
    [[], [UNCHECKED, UNCHECKED], [UNCHECKED, UP], [UP, UP]],
    false,
  ],
  [
    'undrained',
    [
      [UP, UP],
      [DRAIN, UP],
      [UP, UP],
    ],
    true,
  ],
  [
    'in drain at our start, undrained',
    [
      [DRAIN, UP],
      [UP, UP],
    ],
    true,
  ],
  [
    'checks down, up',
    [
      [UP, UP],
      [DOWN, UP],
      [UP, UP],
    ],
    true,
  ],
  [
    'maint, ready but unchecked, up',
    [
      [MAINT, UP],
      [UNCHECKED, UP],
      [UP, UP],
    ],
    true,
  ],
  [
    'nobody else is eligible',
    [
      [UP, DRAIN],
      [DRAIN, DRAIN],
      [UP, DRAIN],
    ],
    false,
  ],
  [
    'all come back at once',
    [
      [DRAIN, DRAIN],
      [UP, UP],
    ],
    false,
  ],
  [
    'the other is in another tier',
    [
      [DRAIN, { ...UP, backup: true }],
      [UP, { ...UP, backup: true }],
    ],
    false,
  ],
  [
    'only its weight changed',
    [
      [UP, UP],
      [{ ...UP, weight: 3 }, UP],
    ],
    false,
  ],
  [
    'joins',
    [
      [{ ...UP, id: 'b' }],
      [
        { ...UP, id: 'a' },
        { ...UP, id: 'b' },
      ],
    ],
    true,
  ],
  [
    'joins unchecked, then passes',
    [
      [{ ...UP, id: 'b' }],
      [
        { ...UNCHECKED, id: 'a' },
        { ...UP, id: 'b' },
      ],
      [
        { ...UP, id: 'a' },
        { ...UP, id: 'b' },
      ],
    ],
    true,
  ],
];

for (const [name, tables, ramps] of CASES) {
  test(`${name}: ${ramps ? 'ramps' : 'takes its whole share at once'}`, () => {
    const upstream = createUpstream(tables[0] ?? [], SLOW);
    for (const [index, table] of tables.entries()) {
      if (index > 0) upstream.apply(upstreamState(table, SLOW), index);
    }
    assert.equal(upstream.servers[0]?.ramp(tables.length) !== 1, ramps);
  });
}

test('the share grows from a tenth to the whole', () => {
  const upstream = createUpstream([DRAIN, UP], SLOW);
  upstream.apply(upstreamState([UP, UP], SLOW), 0);
  assert.deepEqual(
    [0, 5000, 10_000].map((nowMs) => share(upstream, 'a', nowMs)),
    [0.091, 0.333, 0.5],
  );
  const sum = upstream.servers.reduce((total, server) => total + server.current, 0);
  assert.equal(sum, 0, 'the fractions are exact: nothing is lost or gained');
});

test('people are told of the share in hundredths', () => {
  const upstream = createUpstream([DRAIN, UP], SLOW);
  upstream.apply(upstreamState([UP, UP], SLOW), 0);
  assert.deepEqual(
    [0, 3333, 10_000].map((nowMs) => upstream.servers[0]?.findings(nowMs).ramp),
    [0.1, 0.33, 1],
  );
});

test('with slow_start off nobody ramps', () => {
  const upstream = createUpstream([DRAIN, UP]);
  upstream.apply(upstreamState([UP, UP]), 0);
  assert.equal(upstream.servers[0]?.ramp(0), 1);
});

/** The part of 3000 picks that a server gets, three digits. */
function share(upstream: Upstream, id: string, nowMs: number): number {
  let picked = 0;
  for (let pick = 0; pick < 3000; pick += 1) {
    const server = upstream.pick(request(), nowMs);
    if (server?.id === id) picked += 1;
    server?.settle('success', nowMs);
  }
  return Math.round((picked / 3000) * 1000) / 1000;
}
