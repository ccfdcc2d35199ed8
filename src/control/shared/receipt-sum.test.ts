import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_ANSWERS, NO_LASTING } from '../../../test/support/admin/documents.ts';
import type { ReceiptCounts } from '../../admin.ts';
import type { OtherCounts } from '../../gateways.ts';
import { sumReceipts } from './receipt-sum.ts';

function counts(requests: number, more: Partial<ReceiptCounts> = {}): ReceiptCounts {
  const answers = { ...NO_ANSWERS, '2xx': requests - 1, '5xx': 1 };
  const some = { answered: requests, answers, retried: 0, cut: 0, lost: 0, clientGone: 0 };
  return {
    ...{ id: 'r', upstream: 'app', openedAtMs: 5, requests, ...some, stillInFlight: 0 },
    ...{ tunnels: NO_LASTING, streams: NO_LASTING, longestGapMs: requests, workersLost: 0 },
    servers: [
      {
        id: 's1',
        attempts: requests,
        ...some,
        failures: 2,
        tunnels: NO_LASTING,
        streams: NO_LASTING,
      },
    ],
    ...more,
  };
}

function other(state: OtherCounts['state'], receipt: unknown, name = 'B'): OtherCounts {
  const answer = { asked: 1, name, atMs: 0, isFinal: false, isWhole: true, receipt };
  return { gateway: name, name, state, answer: receipt === undefined ? undefined : answer };
}

test('a receipt is the sum of those that were heard', () => {
  const servers = [...counts(4).servers, ...counts(1).servers.map((one) => ({ ...one, id: 's2' }))];
  const sum = sumReceipts(
    counts(3),
    'A',
    [
      other('answered', counts(4, { id: 'x', openedAtMs: 2, servers })),
      other('answered', counts(1), 'C'),
    ],
    [],
  );
  assert.deepEqual(
    [sum.id, sum.requests, sum.answered, sum.openedAtMs, sum.longestGapMs, sum.complete],
    ['r', 8, 8, 2, 4, true],
  );
  assert.deepEqual(
    sum.servers.map(({ id, attempts }) => `${id} ${attempts}`),
    ['s1 8', 's2 1'],
  );
  assert.deepEqual(sum.answers, { ...NO_ANSWERS, '2xx': 5, '5xx': 3 });
  assert.deepEqual(
    sum.servers.map(({ answers, failures }) => [answers['2xx'], answers['5xx'], failures]),
    [
      [5, 3, 6],
      [0, 1, 2],
    ],
  );
  assert.deepEqual(sum.scope, { gateway: 'A', heard: ['B', 'C'], unheard: [] });
});

test('whatever may be missing is named, and the receipt is not complete', () => {
  const since = 'nothing after 00:00:00Z';
  for (const [found, why] of [
    [other('late', counts(1)), `did not answer in time, ${since}`],
    [other('silent', undefined), 'silent, it counted nothing'],
    [other('gone', counts(1)), `ended without its last counts, ${since}`],
    [other('partial', counts(1)), /^did not answer when the receipt was opened/],
    [other('answered', { requests: 'many' }), 'its counts cannot be read'],
    [other('answered', counts(1, { workersLost: 1 })), /^a worker ended unasked/],
    [other('answered', counts(1, { workersLost: 2 })), /^2 workers ended unasked/],
  ] as const) {
    const { complete, gateways, scope } = sumReceipts(counts(1), 'A', [found], []);
    assert.equal(complete, false);
    assert.match(gateways[1]?.missing ?? '', why instanceof RegExp ? why : new RegExp(`^${why}$`));
    assert.deepEqual(scope.heard, []);
    assert.equal(scope.unheard[0], `B (${gateways[1]?.missing})`);
  }
  const own = sumReceipts(counts(1, { workersLost: 1 }), 'A', [], ['others']);
  assert.match(own.gateways[0]?.missing ?? '', /^a worker ended unasked/);
  assert.deepEqual([own.complete, own.scope.unheard.length], [false, 2]);
});
