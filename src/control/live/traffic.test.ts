// Traffic of several gateways: what one writes another reads, and sums are those of all requests.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Second } from '../../history.ts';
import { HEAD_BOUNDS_MS, HEAD_BUCKETS, headQuantile } from '../../model.ts';
import { readTraffic, secondOf, shown, sumOf, trafficText } from './traffic.ts';

function second(requests: number, timesMs: readonly number[], inFlight = 0): Second {
  const heads = new Array<number>(HEAD_BUCKETS).fill(0);
  for (const ms of timesMs) {
    const place = HEAD_BOUNDS_MS.findIndex((bound) => ms <= bound);
    heads[place] = (heads[place] ?? 0) + 1;
  }
  return { requests, failures: 1, errors: 2, inFlight, heads };
}

function historyOf(servers: ReadonlyMap<string, Second>, own = second(3, [5, 80])) {
  return { seconds: () => ({ own, servers }) };
}

test('what one gateway writes another one reads', () => {
  const servers = new Map([
    ['a:1', second(2, [1, 2])],
    ['b:1', second(0, [], 4)],
  ]);
  const read = readTraffic(trafficText(historyOf(servers), ['app'])).get('app');
  assert.deepEqual(secondOf(read, ''), second(3, [5, 80]));
  assert.deepEqual(secondOf(read, 'a:1'), second(2, [1, 2]));
  assert.deepEqual(secondOf(read, 'b:1'), second(0, [], 4));
  assert.equal(secondOf(read, 'c:1').requests, 0);
  assert.equal(read?.isWhole, true);
});

test('of many servers the busiest are told, and that there are more', () => {
  const many = Array.from({ length: 600 }, (_, place) => [`s${place}`, second(place, [])] as const);
  const read = readTraffic(trafficText(historyOf(new Map(many)), ['app'])).get('app');
  assert.deepEqual([read?.servers.size, read?.isWhole], [500, false]);
  assert.equal(secondOf(read, 's599').requests, 599);
  assert.equal(secondOf(read, 's99').requests, 0);
});

test('times of several are those of all their answers, not a mean', () => {
  const [one, other] = [second(98, new Array<number>(98).fill(1)), second(2, [400, 400])];
  const sum = sumOf([one, other]);
  assert.deepEqual([sum.requests, sum.failures, sum.errors], [100, 2, 4]);
  const all = second(100, [...new Array<number>(98).fill(1), 400, 400]);
  assert.equal(headQuantile(sum.heads, 0.99), headQuantile(all.heads, 0.99));
  const { lastSecond } = shown(sum);
  assert((lastSecond.p99Ms ?? 0) > 300 && (lastSecond.p50Ms ?? 9) < 1.1);
  assert.equal('p50Ms' in shown(second(5, [])).lastSecond, false);
});

test('a record of a stranger is nothing, and does no harm', () => {
  const nothing = ['', 'x', '5', 'null', '[1]', '{"app":5}', '{"app":{"own":"x","servers":7}}'];
  for (const text of nothing) {
    const { requests } = secondOf(readTraffic(text).get('app'), '');
    assert.equal(requests, 0, text);
  }
  const odd = '{"app":{"own":[1,-2,3],"servers":{"a":[1,0,0,0,999,5,-1,2,"x"],"b":[4,0,0,0,0]}}}';
  const read = readTraffic(odd).get('app');
  assert.deepEqual(
    [secondOf(read, '').requests, secondOf(read, 'a').requests, secondOf(read, 'b').requests],
    [0, 0, 4],
  );
  assert.equal(readTraffic(`{"app":"${'x'.repeat(300_000)}"}`).size, 0);
});
