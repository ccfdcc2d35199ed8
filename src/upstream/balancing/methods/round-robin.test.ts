// The pick sequence of the smooth weighted round robin, as tables. The same against a real nginx:
// nginx.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUpstream, pickNames, request } from '../../../../test/support/upstream/builders.ts';

const SEQUENCES: readonly { readonly weights: readonly number[]; readonly picks: string }[] = [
  { weights: [1], picks: 'aaa' },
  { weights: [1, 1], picks: 'abab' },
  { weights: [5, 1, 1], picks: 'aabacaa' },
  { weights: [3, 2, 1, 1], picks: 'abcadba' },
  { weights: [1, 2], picks: 'bab' },
];

for (const { weights, picks } of SEQUENCES) {
  test(`weights ${weights.join(', ')} are picked as ${picks}, again and again`, () => {
    const upstream = createUpstream(weights.map((weight) => ({ weight })));
    assert.equal(pickNames(upstream, picks.length * 2), picks.repeat(2));
  });
}

test('a failure takes weight / max_fails away, and each pick gives one back', () => {
  const upstream = createUpstream([{ weight: 6, maxFails: 3 }, { weight: 6 }]);
  const [first] = upstream.servers;
  assert.equal(upstream.pick(request(), 0), first);
  first?.settle('failure', 0);
  assert.equal(first?.effective, 4);
  pickNames(upstream, 1);
  assert.equal(first?.effective, 5);
  pickNames(upstream, 5);
  assert.equal(first?.effective, 6);
});

test('a server without max_fails keeps its weight however often it fails', () => {
  const upstream = createUpstream([{ weight: 2, maxFails: 0 }, {}]);
  const [first] = upstream.servers;
  for (let time = 0; time < 20; time += 1) upstream.pick(request(), 0)?.settle('failure', 0);
  assert.equal(first?.effective, 2);
});

test('skips the servers that this exchange has tried, and only for this exchange', () => {
  const upstream = createUpstream([{}, {}, {}]);
  const tried = [];
  for (const expected of ['a', 'b', 'c']) {
    const server = upstream.pick(request(tried), 0);
    assert.equal(server?.id, expected);
    if (server !== undefined) tried.push(server);
  }
  assert.equal(upstream.pick(request(tried), 0), undefined);
  assert.notEqual(upstream.pick(request(), 0), undefined);
});
